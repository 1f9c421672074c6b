"""A daemon that has a model, learns, and replans, from ``headway.toml`` alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.acceptance.commands import Headway, call, plan
from tests.acceptance.test_run import TOOLS

SETTINGS = """\
[tools]
python = ["tools.py"]

[runtime]
replan = "replan.py:replan"

[inference]
url = "{url}"
model = "small"
embedding_model = "vectors"

[learning]
memory = "memory.json"
trajectories = "trajectories"
"""

REPLAN = """\
async def replan(context):
    return {"actions": [
        {"id": "ask", "type": "tool_call", "tool": "infer", "parameters": {"prompt": "Which month?"}},
        {"id": "place", "type": "tool_call", "tool": "embed", "parameters": {"texts": ["$ask.output.text"]}},
        {"id": "keep", "type": "state_write", "parameters": {"key": "month", "value": "$ask.output.text"}},
    ]}
"""


class Model:
    """A service on loopback that speaks the OpenAI-compatible API; ``asked`` are the paths and bodies that it got."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append((self.path, body))
                answer = json.dumps(_answer(self.path, body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


def _answer(path: str, body: dict[str, Any]) -> dict[str, Any]:
    if path == "/v1/embeddings":
        rows = [{"index": n, "embedding": [float(len(text)), 1.0]} for n, text in enumerate(body["input"])]
        return {"model": body["model"], "data": rows, "usage": {"prompt_tokens": 2, "total_tokens": 2}}
    assert path == "/v1/chat/completions"
    said = {"message": {"role": "assistant", "content": "May"}, "finish_reason": "stop"}
    return {"model": body["model"], "choices": [said], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_daemons_job_is_replanned_onto_a_model_and_learned_from(headway: Headway, model: Model) -> None:
    (headway.here / "tools.py").write_text(TOOLS)
    (headway.here / "replan.py").write_text(REPLAN)
    (headway.here / "headway.toml").write_text(SETTINGS.format(url=model.url))
    (headway.here / "p.json").write_text(plan(call("a", "fail")))
    with headway.daemon() as status:
        assert {"infer", "embed", "classify"} <= set(status["tools"])
        done = headway.run("run", "p.json", "--json")
        jobs = {job["job_id"]: job for job in headway.run("jobs", "ls", "--json").json}
    assert done.code == 0, done.err
    result = done.json
    assert (result["status"], result["cost"]["tokens"]) == ("completed", 8)
    outputs = {action["action_id"]: action["output"] for action in result["results"]}
    assert (outputs["ask"]["text"], outputs["place"]["embeddings"]) == ("May", [[3.0, 1.0]])
    (failed,) = jobs.keys() - {result["job_id"]}
    assert (jobs[failed]["status"], jobs[failed]["outcome"]) == ("failed", "aborted")
    assert f"job {failed} aborted and is replanned: job {result['job_id']}" in done.err
    (chat, texts) = model.asked[:2]
    assert (chat[0], chat[1]["model"], chat[1]["messages"][-1]["content"]) == (
        "/v1/chat/completions",
        "small",
        "Which month?",
    )
    assert (texts[0], texts[1]["model"], texts[1]["input"]) == ("/v1/embeddings", "vectors", ["May"])
    learned = json.loads((headway.here / "memory.json").read_text())
    assert learned
    kept = [path.read_text() for path in (headway.here / "trajectories").rglob("*") if path.is_file()]
    assert any('"infer"' in text for text in kept)
