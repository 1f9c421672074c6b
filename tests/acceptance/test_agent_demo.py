"""An agent's plan with a model, an MCP tool and an approval: killed while it waits, answered after, completed."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from headway_console.resources import examples
from tests.acceptance.commands import Headway, call, plan
from tests.acceptance.test_daemon_models import Model

SETTINGS = """\
[tools]
python = ["tools.py"]

[runtime]
on_restart = "resume"

[inference]
url = "{url}"
model = "small"

[mcp.servers.notes]
command = "{python}"
args = ["notes.py"]
"""

TOOLS = '''
import headway


@headway.tool(permission="ask")
def publish(month: str) -> str:
    """Publish."""
    return f"published {month}"
'''

ID = re.compile(r"headway inbox answer (\S+)")


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_an_agents_plan_outlives_its_process_and_ends_as_it_should(headway: Headway, model: Model) -> None:
    (headway.here / "headway.toml").write_text(SETTINGS.format(url=model.url, python=sys.executable))
    (headway.here / "tools.py").write_text(TOOLS)
    shutil.copy(examples() / "mcp" / "notes.py", headway.here)
    (headway.here / "plan.json").write_text(
        plan(
            call("ask", "infer", parameters={"prompt": "Which month?"}),
            call("note", "mcp__notes__add", parameters={"text": "$ask.output.text"}),
            call("publish", "publish", parameters={"month": "$ask.output.text"}, dependencies=["note"]),
            call("tell", "mcp__notes__add", parameters={"text": "$publish.output"}),
        )
    )
    headway.trust(headway.here)
    headway.env["HEADWAY_RUNTIME_ON_RESTART"] = "resume"
    with headway.start("serve", "--port", "0") as serving:
        serving.wait_for("serving A2A")
        with headway.start("run", "plan.json") as running:
            found = ID.search(running.wait_for("answer it with"))
            assert found is not None
            serving.process.send_signal(signal.SIGKILL)
            serving.end()
    job_id = found[1].rpartition(".")[0]
    (waiting,) = headway.run("inbox", "--json").json["waiting"]
    assert (waiting["tool"], waiting["parameters"]) == ("publish", {"month": "May"})
    with headway.daemon():
        assert headway.run("inbox", "answer", found[1], "--allow", "--yes").code == 0
        with headway.start("events", "--follow", "--job", job_id) as events:
            events.wait_for("job_completed")
        shown = headway.run("jobs", "show", job_id, "--json").json
    outputs = {action["id"]: action["output"] for action in shown["actions"]}
    assert outputs["ask"]["text"] == "May"
    assert outputs["publish"] == "published May"
    assert outputs["tell"] == {"result": 1}, "a new server, whose first note it is"
    assert len(model.asked) == 1, "what had ended did not run again"
    assert headway.run("inbox").out.startswith("nothing waits")
