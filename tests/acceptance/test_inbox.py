"""Questions as people meet them: a run that waits, answers from another shell, at the prompt, over a restart."""

from __future__ import annotations

import re
import signal

import pytest

from tests.acceptance.commands import Headway, call, plan

TOOLS = '''
import headway


@headway.tool(permission="ask")
def deploy(env: str) -> str:
    """Deploy."""
    return f"deployed to {env}"


@headway.tool(idempotent=True)
async def paint(context: headway.ToolContext) -> str:
    """Paint."""
    return "painted " + await context.ask({"enum": ["red", "blue"], "type": "string"}, "which colour?")
'''

ID = re.compile(r"headway inbox answer (\S+)")


@pytest.fixture
def asking(headway: Headway) -> Headway:
    """A folder with the plans ``deploy.json`` and ``paint.json``."""
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n")
    (headway.here / "tools.py").write_text(TOOLS)
    headway.trust(headway.here)
    (headway.here / "deploy.json").write_text(plan(call("d", "deploy", parameters={"env": "x"})))
    (headway.here / "paint.json").write_text(plan(call("p", "paint", idempotent=True)))
    return headway


def test_another_shell_answers_a_run_that_waits(asking: Headway) -> None:
    with asking.start("run", "deploy.json") as running:
        found = ID.search(running.wait_for("answer it with"))
        assert found is not None
        (waiting,) = asking.run("inbox", "--json").json["waiting"]
        assert (waiting["id"], waiting["tool"], waiting["parameters"]) == (found[1], "deploy", {"env": "x"})
        assert asking.run("jobs", "ls", "--json").json[0]["waiting_for"] == "approval"
        done = asking.run("inbox", "answer", found[1], "--edit", '{"env": "y"}', "--yes")
        assert (done.code, done.out) == (0, f"{found[1]}: edit\n")
        assert running.end() == 0
    shown = asking.run("inbox", "show", found[1])
    assert "answered by cli" in shown.out
    again = asking.run("inbox", "answer", found[1], "--allow", "--yes")
    assert (again.code, "was answered already by cli: edit" in again.err) == (1, True)


def test_a_person_answers_at_the_prompt(asking: Headway) -> None:
    with asking.terminal("run", "deploy.json") as running:
        running.wait_for("[a]llow")
        assert "tool deploy" in running.text
        running.type("maybe\n")
        running.wait_for("answer with one of")
        running.type("a\n")
        assert running.end() == 0
        assert "completed" in running.text
    with asking.terminal("run", "paint.json") as running:
        running.wait_for("= VALUE")
        running.type("= green\n")
        running.wait_for("does not fit its schema")
        running.type('= "blue"\n')
        assert running.end() == 0
    with asking.terminal("run", "deploy.json") as running:
        running.wait_for("[a]llow")
        running.type("\x03")
        assert running.end() == 130


def test_always_approves_the_same_call_from_now_on(asking: Headway) -> None:
    with asking.start("run", "deploy.json") as running:
        found = ID.search(running.wait_for("answer it with"))
        assert found is not None
        with asking.terminal("inbox", "answer", found[1], "--allow", "--always") as answering:
            answering.wait_for("Allow tool deploy of action 'd'")
            answering.type("y\n")
            answering.wait_for("Add this rule to")
            answering.type("y\n")
            assert answering.end() == 0
        assert running.end() == 0
    assert asking.run("run", "deploy.json").code == 0, "nothing is asked any more"


def test_a_confirmation_names_its_target_and_its_default_is_no(asking: Headway) -> None:
    with asking.start("run", "deploy.json") as running:
        found = ID.search(running.wait_for("answer it with"))
        assert found is not None
        with asking.terminal("inbox", "answer", found[1], "--allow") as answering:
            answering.wait_for("Allow tool deploy of action 'd'")
            answering.type("\n")
            assert answering.end() == 130
        assert len(asking.run("inbox", "--json").json["waiting"]) == 1
        assert asking.run("inbox", "answer", found[1], "--deny", "--reason", "no", "--yes").code == 0
        assert running.end() == 1
        assert "the approval was denied by cli: no" in running.text


def test_a_daemon_that_is_killed_while_it_waits_takes_the_answer_after_its_restart(asking: Headway) -> None:
    asking.env["HEADWAY_RUNTIME_ON_RESTART"] = "resume"
    with asking.start("serve", "--port", "0") as serving:
        serving.wait_for("serving A2A")
        with asking.start("run", "deploy.json") as running:
            found = ID.search(running.wait_for("answer it with"))
            assert found is not None
            serving.process.send_signal(signal.SIGKILL)
            serving.end()
    said = asking.run("inbox")
    assert found[1] in said.out
    assert "no process runs these jobs" in said.err
    assert asking.run("inbox", "answer", found[1], "--allow", "--yes").code == 0
    job_id = found[1].rpartition(".")[0]
    with asking.daemon(), asking.start("events", "--follow", "--job", job_id) as events:
        events.wait_for("job_completed")
    assert asking.run("jobs", "show", job_id, "--json").json["actions"][0]["output"] == "deployed to x"
