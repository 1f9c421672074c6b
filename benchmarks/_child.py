"""One benchmark in a process of its own: ``python -m benchmarks._child NAME SECONDS [--no-peers]``.

Writes a line of JSON per row as it comes. Once the seconds are over each case gets one round; who started it ends it
if it does not end soon then.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

from benchmarks import _lanes
from benchmarks._figure import as_json
from benchmarks._pace import PACE


def main(name: str, seconds: float, peers: bool) -> None:
    """Run a benchmark and write its rows."""
    rows = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the rows
    _lanes.peers_wanted = peers
    PACE.end_within(seconds)
    for figure in importlib.import_module(f"benchmarks.{name}").run():
        print(json.dumps({"row": as_json(figure)}), file=rows)
    print(json.dumps({"made": PACE.made, "left_out": PACE.left_out}), file=rows)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), "--no-peers" not in sys.argv)
