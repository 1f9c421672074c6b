"""A Python that has imported Headway and runs each snippet in a process of its own, as ``python -c`` would.

Reads a line of JSON per snippet on stdin (its code, the folder to run in, a home) and answers with a line: the exit
code and what it wrote on stderr. Importing Headway takes longer than most snippets do, so that is done once.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from typing import Any

import headway

for name in headway.__all__:
    getattr(headway, name)  # many are imported when they are asked for


def run(order: dict[str, str]) -> dict[str, Any]:
    """Run one snippet in a fork; return its exit code and its stderr."""
    with tempfile.TemporaryFile() as errors:
        pid = os.fork()
        if pid == 0:
            os.dup2(errors.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os._exit(_be(order))
        _, status = os.waitpid(pid, 0)
        errors.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "stderr": errors.read().decode(errors="replace")}


def _be(order: dict[str, str]) -> int:
    """Be the process that runs a snippet; return its exit code."""
    os.chdir(order["folder"])
    os.environ["HEADWAY_HOME"] = order["home"]
    sys.argv, sys.path[0] = ["-c"], ""
    names = {"__name__": "__main__", "__builtins__": __builtins__}
    sys.modules["__main__"].__dict__.update(names)
    try:
        exec(compile(order["code"], "<string>", "exec"), sys.modules["__main__"].__dict__)  # noqa: S102 - that is what it is for
        sys.stdout.flush()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - the snippet's, told as Python tells it
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()
    return 0


def main() -> None:
    """Answer until stdin ends."""
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
