"""Every route: what it answers, what it refuses, what it records."""

from typing import Any

import httpx
import msgspec
import pytest

import headway
from headway.client.failures import error_of as error_from
from headway.config import Config
from headway.errors import InvalidPlan, Overloaded
from headway.events import kinds
from headway.events.event import Event
from headway.events.views import JobRow, RunView
from headway.plan.results import ProposalResult
from headway.plan.verify import MAX_ISSUES, Issue
from headway.store import store_of
from headway_bridge.operator.bodies import MAX_BODY
from tests.unit.bridge.operator.fakes import CHECKPOINT, FakeEngine

PLAN = {"actions": [{"id": "a", "type": "tool_call", "tool": "echo", "parameters": {"text": "x"}}]}
DEEP_PLAN = b'{"actions":[{"type":"assertion","parameters":{"a":' + b"[" * 70 + b"]" * 70 + b"}}]}"
C = CHECKPOINT.checkpoint_id


async def submit(http: httpx.AsyncClient, **more: Any) -> JobRow:
    answer = await http.post("/jobs", json={"proposal": PLAN, **more})
    assert answer.status_code == 201, answer.text
    return msgspec.json.decode(answer.content, type=JobRow)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["error"]
    assert "\n" not in error["message"]
    assert error["message"]
    return error


async def test_status_tells_who_the_daemon_is(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await submit(http)
    status = (await http.get("/status")).json()
    assert status["home"] == str(engine.home)
    assert status["url"] == "http://127.0.0.1:1"
    assert status["started_ms"] == 5
    assert (status["running"], status["queued"]) == (1, 0)
    assert status["last_seq"] == engine.log.last_seq
    assert status["tools"] == ["echo"]
    assert status["stopping"] is False
    assert status["sandbox"] == {
        "mode": "off",
        "working": False,
        "reason": "programs that tools start have all rights of this user",
    }


async def test_snapshot_has_all_views_at_one_seq(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    job = await submit(http)
    snapshot = (await http.get("/snapshot", params={"job": job.job_id})).json()
    assert snapshot["seq"] == engine.log.last_seq
    assert list(snapshot["jobs"]["jobs"]) == [job.job_id]
    assert snapshot["run"]["job"]["job_id"] == job.job_id
    assert (await http.get("/snapshot")).json()["run"] is None
    assert (await http.get("/snapshot", params={"job": "nope"})).status_code == 404


async def test_submit_starts_a_job_and_records_who(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    job = await submit(http, title="T\nwo", source="tests", context_id="c1")
    assert (job.status, job.title, job.source, job.scope) == ("running", "T wo", "tests", "c1")
    assert (await engine.audited())[-1] | {"who": ""} == {
        "who": "",
        "what": "submit",
        "target": job.job_id,
        "detail": None,
        "peer": {"address": "127.0.0.1:123"},
    }


async def test_submit_keeps_numbers_exactly(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    parameters = '{"small":3,"big":9007199254740993,"real":3.0}'
    raw = '{"proposal":{"actions":[{"type":"tool_call","tool":"echo","parameters":' + parameters + "}]}}"
    answer = await http.post("/jobs", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    (created,) = await engine.log.read(kinds=[kinds.JOB_CREATED])
    kept = created.data["proposal"]["actions"][0]["parameters"]
    assert msgspec.json.encode(kept).decode() == parameters


@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        ({}, "invalid_input", "proposal"),
        ({"proposal": 3}, "invalid_plan", "not a JSON object"),
        ({"proposal": {"actions": 3}}, "invalid_plan", "actions"),
        ({"proposal": PLAN, "title": 3}, "invalid_input", "$.title"),
        ({"proposal": PLAN, "titel": "x"}, "invalid_input", "titel"),
        ({"proposal": PLAN, "title": "x" * 501}, "invalid_input", "title"),
        ({"proposal": {"actions": [{"id": "z", "type": "tool_call", "tool": "nope"}]}}, "invalid_plan", "nope"),
        ([1], "invalid_input", "array"),
    ],
)
async def test_submit_refuses(http: httpx.AsyncClient, engine: FakeEngine, body: Any, code: str, part: str) -> None:
    answer = await http.post("/jobs", json=body)
    assert answer.status_code == 400
    error = error_of(answer)
    assert error["code"] == code
    assert part in error["message"]
    assert engine.log.last_seq == 0, "nothing was recorded"


async def test_submit_hands_the_issues_on(http: httpx.AsyncClient) -> None:
    plan = {"actions": [{"id": "z", "type": "tool_call", "tool": "nope"}]}
    error = error_of(await http.post("/jobs", json={"proposal": plan}))
    assert error["issues"][0]["action_id"] == "z"


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"proposal": nul}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"proposal":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", 400),
        (b'{"proposal":' + DEEP_PLAN + b"}", "application/json", 400),
        (b"proposal=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b" " * (MAX_BODY + 1), "application/json", 413),
    ],
)
async def test_bodies_that_are_not_json_or_too_much_are_refused(
    http: httpx.AsyncClient, engine: FakeEngine, content: bytes, kind: str, status: int
) -> None:
    answer = await http.post("/jobs", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    error_of(answer)
    assert engine.log.last_seq == 0


async def test_a_plan_of_ten_megabytes_is_refused(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    plan = {"actions": [{"type": "tool_call", "tool": "echo", "parameters": {"text": "x" * 10_000_000}}]}
    answer = await http.post("/jobs", json={"proposal": plan})
    assert answer.status_code == 413
    assert "larger than" in error_of(answer)["message"]
    assert engine.log.last_seq == 0


async def test_no_new_work_once_the_daemon_stops(http: httpx.AsyncClient, app: Any) -> None:
    app.state.operator.stopping = True
    for path, body in [
        ("/jobs", {"proposal": PLAN}),
        (f"/checkpoints/{C}/restore", {}),
        (f"/checkpoints/{C}/fork", {}),
        ("/prune", {}),
    ]:
        answer = await http.post(path, json=body)
        assert answer.status_code == 503, path
        assert error_of(answer)["code"] == "closing"
    assert (await http.get("/status")).json()["stopping"] is True


async def test_jobs_are_listed_newest_first_by_status_in_pages(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    first, second, third = [await submit(http) for _ in range(3)]
    await engine.finish(second.job_id)

    async def ids(**query: Any) -> list[str]:
        return [row["job_id"] for row in (await http.get("/jobs", params=query)).json()]

    assert await ids() == [third.job_id, second.job_id, first.job_id]
    assert await ids(status="completed") == [second.job_id]
    assert await ids(limit=1) == [third.job_id]
    assert await ids(limit=1, before=third.first_seq) == [second.job_id]
    assert (await http.get("/jobs")).headers["Headway-Complete"] == "true"


async def test_lists_say_that_they_are_not_complete(
    http: httpx.AsyncClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no() -> bool:
        return False

    await submit(http)
    monkeypatch.setattr(store_of(engine.log), "complete", no)
    assert (await http.get("/jobs")).headers["Headway-Complete"] == "false"
    assert (await http.get("/snapshot")).json()["complete"] is True


@pytest.mark.parametrize("query", ["status=odd", "limit=0", "limit=1001", "limit=x", "before=-1"])
async def test_jobs_refuses_odd_queries(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/jobs?{query}")
    assert answer.status_code == 400
    error = error_of(answer)
    assert error["code"] == "invalid_input"
    assert error["message"].startswith(query.split("=")[0])


async def test_job_and_result(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    job = await submit(http)
    run = msgspec.json.decode((await http.get(f"/jobs/{job.job_id}")).content, type=RunView)
    assert [action.id for action in run.actions] == ["a"]
    early = await http.get(f"/jobs/{job.job_id}/result")
    assert early.status_code == 409
    assert "running" in error_of(early)["message"]
    await engine.finish(job.job_id)
    result = msgspec.json.decode((await http.get(f"/jobs/{job.job_id}/result")).content, type=ProposalResult)
    assert result.status == "completed"


async def test_large_outputs_come_when_asked_for(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    job = await submit(http)
    reference = {"$blob": "sha256:0", "size": 7}
    await engine.log.write(Event(kinds.ACTION_SUCCEEDED, {"output": reference}, job.job_id, "a", 0, 1))
    await engine.finish(job.job_id)
    path = f"/jobs/{job.job_id}"
    assert (await http.get(path)).json()["actions"][0]["output"] == reference
    assert (await http.get(f"{path}?full=1")).json()["actions"][0]["output"] == "whole"
    assert (await http.get(f"{path}/result")).json()["results"][0]["output"] == "whole"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/nope"),
        ("GET", "/jobs/nope/result"),
        ("POST", "/jobs/nope/cancel"),
        ("POST", "/jobs/nope/kill"),
        ("GET", "/events?job=nope"),
        ("GET", "/events?job=nope&follow=1"),
        ("GET", "/checkpoints?job=nope"),
        ("GET", "/checkpoints/nope/diff"),
        ("POST", "/checkpoints/nope/restore"),
        ("POST", "/checkpoints/nope/fork"),
        ("GET", "/nothing/here"),
    ],
)
async def test_unknown_names_are_404_and_leave_no_trace(
    http: httpx.AsyncClient, engine: FakeEngine, method: str, path: str
) -> None:
    answer = await http.request(method, path)
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "not_found"
    assert await engine.audited() == []


@pytest.mark.parametrize("how", ["cancel", "kill"])
async def test_cancel_and_kill(http: httpx.AsyncClient, engine: FakeEngine, how: str) -> None:
    job = await submit(http)
    who = {"X-Headway-Actor": "Zo\u00eb".encode()}
    answer = await http.post(f"/jobs/{job.job_id}/{how}", json={"reason": "too\nslow"}, headers=who)
    assert answer.json()["answer"] == "requested"
    assert answer.json()["job"]["status"] == "cancelled"
    assert answer.json()["job"]["cancel_reason"] == "too slow"
    (record,) = [data for data in await engine.audited() if data["what"] == how]
    assert (record["who"], record["target"]) == ("Zo\u00eb", job.job_id)
    assert record["detail"] == {"reason": "too slow", "answer": "requested"}
    again = await http.post(f"/jobs/{job.job_id}/{how}")
    assert again.json()["answer"] == "already_finished"
    assert bool(engine.killed) is (how == "kill")


async def test_cancel_refuses_an_odd_reason(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    job = await submit(http)
    for body in ({"reason": 3}, {"reson": "x"}, {"reason": "x" * 501}):
        assert (await http.post(f"/jobs/{job.job_id}/cancel", json=body)).status_code == 400
    assert (await engine.row(job.job_id)).status == "running"


async def test_the_actor_is_one_short_line(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await http.post("/prune", headers={"X-Headway-Actor": "x" * 5000})
    await http.post("/prune")
    long, default = await engine.audited()
    assert len(long["who"]) == 200
    assert default["who"] == "127.0.0.1:123"  # the address that the test's transport gives


async def test_checkpoints(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    job = await submit(http)
    assert (await http.get("/checkpoints")).json()[0]["checkpoint_id"] == C
    assert (await http.get("/checkpoints", params={"scope": "other"})).json() == []
    saved = await http.post("/checkpoints", json={"job_id": job.job_id, "name": "here"})
    assert saved.status_code == 201
    assert (saved.json()["job_id"], saved.json()["name"]) == (job.job_id, "here")
    assert (await http.get(f"/checkpoints/{C}/diff")).json()["changed"] == {"b": [1, 2]}
    assert (await http.post(f"/checkpoints/{C}/restore")).json()["added"] == {"a": 1}
    fork = await http.post(f"/checkpoints/{C}/fork", json={})
    assert fork.status_code == 201
    what = [data["what"] for data in await engine.audited()]
    assert what == ["submit", "save_checkpoint", "restore", "fork"]


@pytest.mark.parametrize("body", [{}, {"job_id": "a", "scope": "b"}, {"scope": 3}, {"id": "x"}])
async def test_a_checkpoint_is_of_one_thing(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await http.post("/checkpoints", json=body)).status_code == 400


async def test_restore_conflicts_with_a_running_job(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.busy = True
    answer = await http.post(f"/checkpoints/{C}/restore")
    assert answer.status_code == 409
    assert error_of(answer)["code"] == "conflict"
    assert await engine.audited() == []


async def test_verify_reports_and_records_nothing(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    good = (await http.post("/verify", json={"proposal": PLAN, "context_id": "c"})).json()
    assert good["valid"] is True
    assert good["levels"] == [["a"]]
    bad = (await http.post("/verify", json={"proposal": {"actions": [{"type": "tool_call", "tool": "x"}]}})).json()
    assert bad["valid"] is False
    assert (await http.post("/verify", json={"proposal": []})).status_code == 400
    assert engine.log.last_seq == 0


async def test_big_plans_are_parsed_beside_the_loop(http: httpx.AsyncClient) -> None:
    plan = {"actions": [{"id": f"a{i}", "type": "tool_call", "tool": "echo"} for i in range(5000)]}
    report = (await http.post("/verify", json={"proposal": plan})).json()
    assert len(report["levels"][0]) == 5000


async def test_tools_have_their_schemas(http: httpx.AsyncClient) -> None:
    (tool,) = (await http.get("/tools")).json()
    assert (tool["name"], tool["description"], tool["source"]) == ("echo", "Says it.", "builtin")
    assert tool["parameters"] == {"type": "object"}
    assert tool["idempotent"] is True


async def test_prune(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    assert (await http.post("/prune")).json() == {"jobs": [], "events": 0}
    assert [data["what"] for data in await engine.audited()] == ["prune"]
    assert (await http.post("/prune", json={"all": True})).status_code == 400


@pytest.mark.parametrize(("body", "now"), [(None, False), ({}, False), ({"now": False}, False), ({"now": True}, True)])
async def test_stop(http: httpx.AsyncClient, engine: FakeEngine, stops: list[bool], body: Any, now: bool) -> None:
    answer = await http.post("/stop", json=body) if body is not None else await http.post("/stop")
    assert answer.status_code == 202
    assert stops == [now]
    assert (await engine.audited())[0]["detail"] == {"now": now}


async def test_stop_refuses_what_it_does_not_know(http: httpx.AsyncClient, stops: list[bool]) -> None:
    assert (await http.post("/stop", json={"now": "yes"})).status_code == 400
    assert stops == []


async def test_events_in_pages(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await engine.log.write(*(Event("x", {"n": n}, "ab"[n % 2]) for n in range(10)))

    async def seqs(**query: Any) -> list[int]:
        content = (await http.get("/events", params=query)).content
        return [event.seq for event in msgspec.json.decode(content, type=list[Event])]

    assert await seqs() == list(range(1, 11))
    assert await seqs(after=3, limit=2) == [4, 5]
    assert await seqs(after=10) == []


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=10001", "follow=maybe"])
async def test_events_refuses_odd_queries(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/events?{query}")
    assert answer.status_code == 400
    error_of(answer)


async def test_a_stream_from_beyond_the_log_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.get("/events?follow=1&after=7")
    assert answer.status_code == 409
    assert "seq 0" in error_of(answer)["message"]
    for odd in ("x", "-1", "9" * 5000, "\u0661".encode()):
        answer = await http.get("/events?follow=1", headers={"Last-Event-ID": odd})
        assert answer.status_code == 400


async def test_other_hosts_and_pages_are_refused(http: httpx.AsyncClient) -> None:
    assert (await http.get("/status", headers={"Host": "evil.example"})).status_code == 421
    assert (await http.get("/status", headers={"Origin": "http://evil.example"})).status_code == 403


async def test_wrong_method_names_itself(http: httpx.AsyncClient) -> None:
    answer = await http.delete("/jobs")
    assert answer.status_code == 405
    assert error_of(answer)["code"] == "method_not_allowed"


async def test_a_bug_is_one_line_without_its_text(
    http: httpx.AsyncClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> dict[str, Any]:
        raise RuntimeError("secret text")

    monkeypatch.setattr(engine, "prune", broken)
    answer = await http.post("/prune")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "RuntimeError" in error_of(answer)["message"]


async def test_openapi_names_every_route_with_its_shapes(http: httpx.AsyncClient) -> None:
    page = (await http.get("/openapi.json")).json()
    assert sorted(page["paths"]) == [
        "/operator/v1/checkpoints",
        "/operator/v1/checkpoints/{checkpoint_id}/diff",
        "/operator/v1/checkpoints/{checkpoint_id}/fork",
        "/operator/v1/checkpoints/{checkpoint_id}/restore",
        "/operator/v1/elicitations",
        "/operator/v1/elicitations/{elicitation_id}",
        "/operator/v1/elicitations/{elicitation_id}/answer",
        "/operator/v1/events",
        "/operator/v1/jobs",
        "/operator/v1/jobs/bulk",
        "/operator/v1/jobs/{job_id}",
        "/operator/v1/jobs/{job_id}/cancel",
        "/operator/v1/jobs/{job_id}/fork",
        "/operator/v1/jobs/{job_id}/history",
        "/operator/v1/jobs/{job_id}/kill",
        "/operator/v1/jobs/{job_id}/pause",
        "/operator/v1/jobs/{job_id}/result",
        "/operator/v1/jobs/{job_id}/resume",
        "/operator/v1/jobs/{job_id}/retry",
        "/operator/v1/jobs/{job_id}/successor",
        "/operator/v1/prune",
        "/operator/v1/restart",
        "/operator/v1/schedules",
        "/operator/v1/schedules/{name}/pause",
        "/operator/v1/schedules/{name}/remove",
        "/operator/v1/schedules/{name}/resume",
        "/operator/v1/schedules/{name}/run",
        "/operator/v1/snapshot",
        "/operator/v1/status",
        "/operator/v1/stop",
        "/operator/v1/tools",
        "/operator/v1/verify",
    ]
    schemas = page["components"]["schemas"]
    submit = page["paths"]["/operator/v1/jobs"]["post"]
    assert submit["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/SubmitBody"}
    assert schemas["SubmitBody"]["properties"]["proposal"] == {"$ref": "#/components/schemas/ActionProposal"}
    assert submit["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith("/JobRow")
    text = msgspec.json.encode(page).decode()
    refs = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert refs <= set(schemas), "every reference has its schema"


async def test_an_overload_is_503_and_says_when_to_come_back(
    http: httpx.AsyncClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: Any) -> JobRow:
        raise Overloaded("5 jobs wait", retry_after=3)

    monkeypatch.setattr(engine, "submit", full)
    answer = await http.post("/jobs", json={"proposal": PLAN})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert error_of(answer) == {"code": "overloaded", "message": "5 jobs wait"}
    assert isinstance(error_from(answer.status_code, answer.content), Overloaded)


async def test_a_plan_of_too_many_actions_is_refused(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    engine.config = Config.model_validate({"admission": {"max_actions": 2}})
    for route in ("/jobs", "/verify"):
        answer = await http.post(route, json={"proposal": {"actions": PLAN["actions"] * 3}})
        assert answer.status_code == 400
        assert error_of(answer)["message"].startswith("the plan has 3 actions; the limit is 2")


async def test_of_many_issues_some_are_listed_and_the_others_counted(
    http: httpx.AsyncClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def invalid(_: Any) -> JobRow:
        raise InvalidPlan("no", [Issue(f"w{i}", "warning") for i in range(150)] + [Issue("the error")])

    monkeypatch.setattr(engine, "submit", invalid)
    issues = error_of(await http.post("/jobs", json={"proposal": PLAN}))["issues"]
    assert len(issues) == MAX_ISSUES + 1
    assert (issues[0]["message"], issues[-1]["message"]) == ("the error", "51 more findings are left out")


async def _ask(engine: FakeEngine, number: int, blocking: int = 0) -> str:
    """Leave an approval open, of a job that does not run here."""
    row = await engine.submit(headway.parse_proposal(PLAN))
    data = {"id": f"{row.job_id}.1", "kind": "approval", "choices": ["allow", "edit", "deny"], "blocking": blocking}
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    data |= {"prompt": f"question {number}", "parameters": {"n": number}, "schema": schema, "reference": "r"}
    await engine.log.write(Event(kinds.ELICITATION_REQUESTED, data, row.job_id, "a"))
    return f"{row.job_id}.1"


async def test_the_inbox_is_paged_and_a_question_is_answered_once(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    names = [await _ask(engine, number, blocking=number) for number in range(3)]
    page = (await http.get("/elicitations?limit=2")).json()
    assert ([question["id"] for question in page["waiting"]], page["total"]) == ([names[2], names[1]], 3)
    assert [question["id"] for question in (await http.get("/elicitations?offset=2")).json()["waiting"]] == [names[0]]
    question = (await http.get(f"/elicitations/{names[0]}")).json()
    assert (question["state"], question["prompt"], question["parameters"]) == ("open", "question 0", {"n": 0})
    answer = await http.post(f"/elicitations/{names[0]}/answer", json={"choice": "edit", "value": {"n": 5}})
    assert (answer.status_code, answer.json()["state"], answer.json()["value"]) == (200, "answered", {"n": 5})
    again = await http.post(f"/elicitations/{names[0]}/answer", json={"choice": "allow"})
    assert (again.status_code, error_of(again)["code"]) == (409, "conflict")
    (given,) = await engine.log.read(kinds=[kinds.ELICITATION_ANSWERED])
    assert given.data["by"] == answer.json()["by"]
    (told,) = await engine.audited()
    assert (told["what"], told["target"], told["detail"]["choice"]) == ("answer", names[0], "edit")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"choice": "session"}, 400),
        ({"choice": "edit", "value": {"n": "x"}}, 400),
        ({"choice": "allow", "value": 1}, 400),
        ({"choice": 5}, 400),
        ({}, 400),
        ({"choice": "allow", "nope": 1}, 400),
    ],
)
async def test_an_answer_that_does_not_fit_is_refused(
    http: httpx.AsyncClient, engine: FakeEngine, body: dict[str, Any], status: int
) -> None:
    name = await _ask(engine, 1)
    before = engine.log.last_seq
    answer = await http.post(f"/elicitations/{name}/answer", json=body)
    assert (answer.status_code, engine.log.last_seq) == (status, before)
    assert "\n" not in error_of(answer)["message"]
    unknown = await http.post("/elicitations/nope.1/answer", json={"choice": "allow"})
    assert unknown.status_code == 404
