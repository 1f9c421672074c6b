"""Secrets on their way through runs: to the tool that may have them, and nowhere else."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import headway
from headway.errors import InvalidInput
from headway.secrets import Secret, Vault
from headway.store import StoreLog
from headway.tools.context import ToolContext, ToolResult

VALUE = "canary-7Kq/\"93'x"
SEEN: list[str] = []


@headway.tool
async def login(token: Secret, user: str = "ann") -> str:
    SEEN.append(token.reveal())
    return f"hello {user}"


@headway.tool
def blocking(token: Secret) -> str:
    SEEN.append(token.reveal())
    return "done"


@headway.tool
async def leak(token: Secret, how: str, ctx: ToolContext) -> Any:
    """Give the secret back in one of the ways that there are."""
    value = token.reveal()
    ctx.report_progress(1, 2, f"with {value}")
    ctx.emit_chunk(f"chunk {value[:5]}")
    ctx.emit_chunk(f"{value[5:]} end")
    ctx.emit_chunk({value: [value]})
    if how == "error":
        raise ValueError(f"could not log in with {value}")
    if how == "key error":
        raise KeyError(value)
    if how == "long error":
        raise RuntimeError("x" * 1970 + value * 3)
    if how == "result":
        return ToolResult(
            {value: [value, {"in": json.dumps({"a": value})}]},
            effects={"kept": value, f"key {value}": 1},
            artifacts=[{"name": value}],
            usage={value: 1},
        )
    return {"basic": base64.b64encode(f"ann:{value}".encode()).decode(), "repr": repr([value])}


@headway.tool
async def stream(token: Secret) -> AsyncIterator[str]:
    for letter in f"begin {token.reveal()} end":
        yield letter


@headway.tool
async def say(text: str) -> str:
    SEEN.append(text)
    return text


TOOLS = [login, blocking, leak, stream, say]


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def vault(**more: Any) -> Vault:
    made = Vault()
    options: dict[str, Any] = {"tools": [tool.__name__ for tool in TOOLS], **more}
    made.declare("DB", Secret(VALUE), **options)
    return made


def call(tool: str, id: str = "a", **parameters: Any) -> dict[str, Any]:  # noqa: A002 - the format's own name
    return {"id": id, "type": "tool_call", "tool": tool, "parameters": parameters}


def plan(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"id": "p", "actions": list(actions)}


def runtime(log: headway.EventLog | None = None, **options: Any) -> headway.Runtime:
    return headway.Runtime(tools=TOOLS, log=log, secrets=options.pop("secrets", vault()), **options)


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def text_of(result: object) -> str:
    return msgspec.json.encode(result).decode()


def assert_hidden(shown: object, value: str = VALUE) -> None:
    text = shown if isinstance(shown, str) else repr(shown) + text_of(shown)
    for form in (value, json.dumps(value)[1:-1], repr(value)[1:-1], base64.b64encode(value.encode()).decode()[2:-4]):
        assert form not in text


@pytest.mark.parametrize("tool", ["login", "blocking"])
async def test_the_tool_gets_the_value_and_the_log_the_reference(tool: str) -> None:
    face = runtime()
    result = await face.execute(plan(call(tool, token="secret://DB")))
    assert result.status == "completed"
    assert SEEN == [VALUE]
    events = await face.log.read()
    assert_hidden(events)
    assert "secret://DB" in text_of(events)


@pytest.mark.parametrize("how", ["error", "key error", "long error", "result", "other"])
async def test_a_value_that_comes_back_is_replaced(how: str, tmp_path: Path) -> None:
    log = await StoreLog.open(headway.Home(tmp_path))
    face = runtime(log)
    result = await face.execute(plan(call("leak", token="secret://DB", how=how)))
    assert result.status == ("failed" if "error" in how else "completed")
    assert_hidden(result)
    assert_hidden(dict(face.state.raw()))
    events = await log.read()
    assert_hidden(events)
    if "long" not in how:
        assert "«secret:DB»" in text_of(result)
    kinds = [event.kind for event in events]
    assert {"action_progress", "action_chunk"} <= set(kinds)
    await face.aclose()
    await log.close()
    raw = all_bytes(tmp_path)
    for form in (VALUE, json.dumps(VALUE)[1:-1], base64.b64encode(VALUE.encode()).decode()[:-4]):
        assert form.encode() not in raw


async def test_a_value_split_over_chunks_is_replaced() -> None:
    face = runtime()
    result = await face.execute(plan(call("stream", token="secret://DB")))
    assert result.results[0].output == "begin «secret:DB» end"
    chunks = [event.data["chunks"] for event in await face.log.read() if event.kind == "action_chunk"]
    assert "".join(text for some in chunks for text in some) == "begin «secret:DB» end"


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (call("say", text="secret://DB"), "stands only for the whole of a parameter that its tool marks"),
        (call("say", text="secret://"), "stands only for"),
        (call("login", token="secret://DB", user="secret://DB"), "'user' holds secret://"),
        (call("login", token="hunter2-in-clear"), "is a secret: it takes secret://NAME, not a literal"),
        (call("login", token="Bearer secret://DB"), "not a literal"),
        (call("login", token="secret://OTHER"), "secret 'OTHER' is not declared"),
        (call("say", text=f"curl -u ann:{VALUE}"), "the plan holds the value of secret 'DB'"),
        (
            {"id": "a", "type": "state_write", "parameters": {"key": "k", "value": "secret://DB"}},
            "'value' holds secret",
        ),
        ({**call("say", text="x"), "expected_effects": {"k": "secret://DB"}}, "'expected_effects.k' holds secret"),
        (
            {**call("say", text="x"), "compensation": {"tool": "say", "parameters": {"text": "secret://DB"}}},
            "'compensation.text' holds secret",
        ),
    ],
)
async def test_what_admission_and_verify_refuse(action: dict[str, Any], why: str) -> None:
    face = runtime()
    report = headway.verify(plan(action), {}, face.registry, secrets=face.secrets)
    assert not report.valid
    assert any(why in issue.message for issue in report.issues)
    result = await face.execute(plan(action))
    assert result.outcome == "rejected"
    assert why in text_of(result)
    assert SEEN == []
    assert_hidden(await face.log.read())
    assert "hunter2" not in text_of(result)


async def test_a_remote_caller_is_not_told_which_secret_its_plan_holds() -> None:
    face = runtime()
    result = await face.execute(headway.Submission(plan(call("say", text=f"is it {VALUE}")), remote=True))
    assert result.outcome == "rejected"
    assert "the plan holds the value of a secret" in text_of(result)
    assert "DB" not in text_of(result)


async def test_a_reference_that_comes_with_an_output_means_nothing() -> None:
    first = call("say", id="first", text="x")
    for output in ("secret://DB", {"deep": ["secret://DB"]}, {"secret://DB": 1}):

        @headway.tool(name="say")
        async def hostile(text: str, output: Any = output) -> Any:
            return output

        for tool, parameter in (("say", "text"), ("login", "user"), ("login", "token")):
            face = runtime()
            face.register_tool(hostile)
            given = {"token": "secret://DB"} if parameter == "user" else {}
            result = await face.execute(plan(first, call(tool, id="b", **{**given, parameter: "$first.output"})))
            assert result.status == "failed"
            assert SEEN == []


async def test_a_reference_in_the_state_means_nothing() -> None:
    face = runtime(state={"k": "secret://DB"})
    read = {"id": "r", "type": "state_read", "parameters": {"key": "k"}}
    result = await face.execute(plan(read, call("say", id="b", text="$r.output.value")))
    assert result.status == "failed"
    result = await face.execute(plan(read, call("login", id="b", token="$r.output.value")))
    assert result.status == "failed"
    assert SEEN == []


async def test_tools_that_are_not_listed_and_remote_callers_get_nothing() -> None:
    face = runtime(secrets=vault(tools=["other"]))
    result = await face.execute(plan(call("login", token="secret://DB")))
    assert "tool 'login' may not have secret 'DB'" in text_of(result)
    asked = plan(call("login", token="secret://DB"))
    for remote, status in ((False, "failed"), (True, "completed")):
        face = runtime(secrets=vault(remote=remote))
        result = await face.execute(headway.Submission(asked, remote=True))
        assert result.status == status
    assert SEEN == [VALUE]


async def test_a_literal_default_of_a_secret_is_refused() -> None:
    async def bad(token: Secret = Secret("default-in-code")) -> None: ...  # noqa: B008 - that is what is refused

    with pytest.raises(InvalidInput, match="the default of the secret 'token' can only be None"):
        headway.Runtime(tools=[bad])


async def test_a_secret_in_memory_goes_to_its_tool() -> None:
    secret = Secret("only-in-memory-42")
    face = runtime()
    made = headway.Plan()
    made.call(login, token=secret)
    for proposal in (
        plan(call("login", token=secret)),
        made,
        headway.ActionProposal(
            actions=[headway.Action(type="tool_call", tool="login", parameters={"token": secret, "user": "bob"})]
        ),
    ):
        result = await face.execute(proposal)
        assert result.status == "completed"
    assert SEEN == ["only-in-memory-42"] * 3
    assert_hidden(await face.log.read(), "only-in-memory-42")
    result = await face.execute(plan(call("say", text=secret)))
    assert result.outcome == "rejected"


async def test_a_missing_source_fails_the_action_with_one_line() -> None:
    from headway.secrets import EnvironmentSource

    secrets = Vault()
    secrets.declare("DB", EnvironmentSource("NOT_THERE", {}), tools=["login"])
    result = await runtime(secrets=secrets).execute(plan(call("login", token="secret://DB")))
    assert result.results[0].error == "secret 'DB': environment variable NOT_THERE is not set"


async def test_equal_calls_with_equal_secrets_are_made_once() -> None:
    secrets = vault()
    secrets.declare("SAME", Secret(VALUE), tools=["login"])
    secrets.declare("OTHER", Secret("another-value"), tools=["login"])
    face = runtime(secrets=secrets)
    face.enable_tool_cache("login", 60)
    for name, calls in (("DB", 1), ("DB", 1), ("SAME", 1), ("OTHER", 2)):
        await face.execute(plan(call("login", token=f"secret://{name}")))
        assert len(SEEN) == calls
    assert all(VALUE not in key for key in [*face.result_cache.keys()])


async def test_compensations_get_their_secrets() -> None:
    face = runtime()
    done = {
        **call("say", text="x"),
        "reversibility": "compensable",
        "compensation": {"tool": "leak", "parameters": {"token": "secret://DB", "how": "other"}},
    }
    result = await face.execute(
        plan(done, {**call("leak", id="b", token="secret://DB", how="error"), "dependencies": ["a"]})
    )
    assert result.results[0].compensated is True
    assert_hidden(await face.log.read())


async def test_ids_that_hold_a_value_are_refused() -> None:
    secrets = Vault()
    secrets.declare("DB", Secret("plain-value-9"), tools=["login"])
    secrets.learn()
    face = runtime(secrets=secrets)
    for name in ("context_id", "job_id", "principal"):
        with pytest.raises(InvalidInput, match="holds the value of a secret"):
            await face.execute(headway.Submission(plan(call("say", text="x")), **{name: "x plain-value-9"}))
    await face.execute(
        headway.Submission(plan(call("say", text="x")), title="t plain-value-9", origin={"a": "plain-value-9"})
    )
    assert_hidden(await face.log.read(), "plain-value-9")


async def test_verify_warns_of_literals_under_secret_names() -> None:
    report = headway.verify(plan(call("say", text="x", headers={"X-Api-Key": "abc"}, max_tokens="5")))
    assert [issue.message.split(" looks")[0] for issue in report.issues if issue.check == "secret_literals"] == [
        "headers.X-Api-Key"
    ]


async def test_a_checkpoint_file_holds_no_value(tmp_path: Path) -> None:
    face = runtime()
    face.state.set("copied", f"by hand {VALUE}")
    face.save_checkpoint_to_file(tmp_path / "checkpoint.json")
    written = (tmp_path / "checkpoint.json").read_text()
    assert "by hand «secret:DB»" in written
    assert_hidden(written)
