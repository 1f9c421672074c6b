"""A tool in a process, as good or as bad as it is asked to be: the child of the subprocess tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

held: list[int] = []


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def answer(number: int, result: Any) -> None:
    say(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}) + "\n")


def fail(number: int, **error: Any) -> None:
    say(json.dumps({"jsonrpc": "2.0", "id": number, "error": error}) + "\n")


def tell(method: str, number: int, **params: Any) -> None:
    say(json.dumps({"jsonrpc": "2.0", "method": f"$/{method}", "params": {"id": number, **params}}) + "\n")


def stubborn(number: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell("progress", number, message="deaf")
    while True:
        time.sleep(60)


def heir(number: int, then: str, params: dict[str, Any]) -> None:
    """Leave a grandchild behind that holds our pipes open."""
    child = subprocess.Popen(["sleep", "600"])
    if then == "answer":
        answer(number, child.pid)
        return
    tell("chunk", number, chunk=child.pid)
    os._exit(3)


def do(number: int, what: str, params: dict[str, Any]) -> None:
    if what == "echo":
        answer(number, params.get("value"))
    elif what == "environment":
        answer(number, dict(os.environ))
    elif what == "where":
        answer(number, [os.getcwd(), os.getpid(), os.getpgid(0), os.getsid(0)])  # noqa: PTH109 - starts quicker without pathlib
    elif what == "error":
        fail(number, code=1, message=params["text"], data={"terminal": params.get("terminal", False)})
    elif what == "odd_error":
        say(json.dumps({"id": number, "error": params.get("error")}) + "\n")
    elif what == "raw":
        say(params["text"].replace("NUMBER", str(number)))
    elif what == "huge":
        answer(number, "x" * params["size"])
    elif what == "hold":
        held.append(number)
        tell("progress", number, message="held")
    elif what == "release":
        for other in reversed(held):
            answer(other, f"held {other}")
        held.clear()
        answer(number, None)
    elif what == "stubborn":
        stubborn(number)
    elif what == "heir":
        heir(number, params.get("then", "exit"), params)
    elif what == "stderr":
        os.write(2, params["text"].encode())
        answer(number, "said")
    elif what == "exit":
        os._exit(params["code"])
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "close":
        os.close({"stdout": 1, "stdin": 0}[params["name"]])
        time.sleep(600)
    elif what == "answer_and_exit":
        answer(number, params.get("value"))
        os._exit(0)
    elif what == "flood":
        while True:
            os.write(1, b"x" * 65536)
    elif what == "tell":
        for method, more in params["messages"]:
            tell(method, number, **more)
        answer(number, "told")


if len(sys.argv) > 1:
    do(0, sys.argv[1], {"code": 5})
for line in sys.stdin:
    message = json.loads(line)
    params = message["params"]
    if message["method"] == "$/cancel":
        if params["id"] in held:
            held.remove(params["id"])
            answer(params["id"], "stopped")
    elif "pid" in params:
        answer(message["id"], os.getpid())
    else:
        do(message["id"], params.get("do", "echo"), params)
