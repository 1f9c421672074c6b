"""An MCP server for tests, without the SDK, which does what its first argument says; see ``Rogue``.

Run by ``python -IS rogue.py BEHAVIOUR``.
"""

import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path

HOSTILE = "../etc/passwd\x1b[31m\u202e;rm -rf ~\n"


def tool(name, **more):
    return {"name": name, "description": f"the tool {name}", "inputSchema": {"type": "object"}, **more}


TOOLS = [
    tool("echo"),
    tool("fail"),
    tool("odd"),
    tool("huge"),
    tool("die"),
    tool("never"),
    tool("progress"),
    tool("ask"),
    tool("junk"),
    tool("blocks"),
    tool("env"),
    tool("grow"),
    tool("write"),
]


def bomb():
    """A schema of 30 definitions, each twice the one before."""
    defs = {"d0": {"type": "string"}}
    for n in range(1, 30):
        defs[f"d{n}"] = {"allOf": [{"$ref": f"#/$defs/d{n - 1}"}] * 2}
    return {"type": "object", "properties": {"x": {"$ref": "#/$defs/d29"}}, "$defs": defs}


class Rogue:
    """One behaviour. ``good`` does what a server should; the calls of its tools go wrong in ways of their own."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.tools = list(TOOLS)

    def send(self, **message):
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()

    def answer(self, request, result):
        self.send(id=request["id"], result=result)

    def run(self):
        if self.behaviour == "dies":
            sys.exit("no such luck")
        if self.behaviour == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for line in sys.stdin:
            message = json.loads(line)
            if "method" in message and "id" in message:
                self.request(message)
        while self.behaviour == "stubborn":
            time.sleep(3600)

    def request(self, request):
        method = request["method"]
        if self.behaviour == "hangs":
            return
        if method == "initialize":
            if self.behaviour == "chatters":
                print("Welcome to my server!")
            info = {"name": "rogue", "version": "1"}
            capabilities = {"tools": {"listChanged": True}}
            result = {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
            self.answer(request, "no object" if self.behaviour == "bad_handshake" else result)
        elif method == "tools/list":
            self.list(request)
        elif method == "tools/call":
            getattr(self, request["params"]["name"])(request, request["params"].get("arguments") or {})
        else:
            self.send(id=request["id"], error={"code": -32601, "message": "Method not found"})

    def list(self, request):
        if self.behaviour == "hangs_at_list":
            return
        if self.behaviour == "pages":
            self.answer(request, {"tools": [], "nextCursor": f"{time.monotonic_ns()}"})
        elif self.behaviour == "no_list":
            self.answer(request, {"tools": "all of them"})
        elif self.behaviour == "floods":
            for number in itertools.count():
                self.send(method="notifications/message", params={"level": "info", "data": number})
        elif self.behaviour == "lies":
            trap = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
            broken = {"type": "object", "properties": {"a": {"type": "no such type"}}}
            far = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}}
            self.answer(
                request,
                {
                    "tools": [
                        tool("echo"),
                        tool("echo"),
                        tool("same name"),
                        tool("same_name"),
                        tool(HOSTILE),
                        tool("x" * 300),
                        tool(""),
                        tool("broken", inputSchema=broken),
                        tool("far", inputSchema=far),
                        tool("trap", inputSchema=trap, outputSchema=trap),
                        tool("bomb", inputSchema=bomb()),
                    ]
                },
            )
        else:
            self.answer(request, {"tools": self.tools})

    # -- its tools

    def text(self, request, text, **more):
        self.answer(request, {"content": [{"type": "text", "text": text}], **more})

    def echo(self, request, arguments):
        self.text(request, json.dumps(arguments, sort_keys=True))

    def fail(self, request, arguments):
        self.text(request, "it cannot\nbe done", isError=True)

    def odd(self, request, arguments):
        self.text(request, "done", isError=arguments["is_error"])

    def huge(self, request, arguments):
        self.text(request, "x" * arguments["size"])

    def die(self, request, arguments):
        sys.stderr.write("dying\n")
        sys.stderr.flush()
        os._exit(7)

    def never(self, request, arguments):
        pass

    def progress(self, request, arguments):
        token = request["params"]["_meta"]["progressToken"]
        for number in (1, 2):
            params = {"progressToken": token, "progress": number, "total": 2, "message": f"part {number}"}
            self.send(method="notifications/progress", params=params)
        self.text(request, "done")

    def ask(self, request, arguments):
        schema = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
        params = {"message": "Which colour?", "requestedSchema": schema}
        self.send(id="q", method="elicitation/create", params=params)
        for line in sys.stdin:
            answer = json.loads(line)
            if answer.get("id") == "q":
                self.text(request, json.dumps(answer.get("result"), sort_keys=True))
                return

    def junk(self, request, arguments):
        for _ in range(arguments["lines"]):
            print("{not a message")
        self.text(request, "done")

    def blocks(self, request, arguments):
        image = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
        self.answer(request, {"content": [{"type": "text", "text": "see"}, image]})

    def env(self, request, arguments):
        self.text(request, json.dumps({name: os.environ.get(name) for name in arguments["names"]}))

    def grow(self, request, arguments):
        self.tools.append(tool(arguments["name"]))
        self.send(method="notifications/tools/list_changed")
        self.text(request, "done")

    def write(self, request, arguments):
        try:
            Path(arguments["path"]).write_text("written")
        except OSError as error:
            self.text(request, error.strerror, isError=True)
        else:
            self.text(request, "written")


Rogue(sys.argv[1]).run()
