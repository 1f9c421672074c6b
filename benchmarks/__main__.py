"""Run the measurements and print them as a table: ``python -m benchmarks [NAME…] [--json] [--no-peers]``.

Each module of this folder with a ``run()`` is a benchmark; ``run()`` returns its figures. A bar that is missed is said
and no more: the exit code is 0, because a figure depends on the machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
import time

import benchmarks
from benchmarks import _lanes
from benchmarks._figure import Figure, as_json, lines, missed
from benchmarks._pace import PACE


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all; return the exit code."""
    known = _known()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What Headway costs, measured.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(known)}; all without one")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    parser.add_argument("--no-peers", action="store_true", help="Headway and asyncio alone")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    _lanes.peers_wanted = not options.no_peers
    machine = {"python": sys.version.split()[0], "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    if not options.json:
        print(f"Python {machine['python']}, {machine['cores']} cores, load {machine['load']}")
    found: dict[str, list[Figure]] = {}
    for name in options.names or known:
        module = importlib.import_module(f"benchmarks.{name}")
        began = time.perf_counter()
        found[name] = [Figure(*row) for row in module.run()]
        if not options.json:
            print(f"\n{name} ({time.perf_counter() - began:.0f} s)", *lines(found[name]), sep="\n", flush=True)
    if options.json:
        shown = {name: [as_json(figure) for figure in figures] for name, figures in found.items()}
        print(json.dumps({**machine, "benchmarks": shown}, indent=2))
    else:
        _summary([figure for figures in found.values() for figure in figures])
    return 0


def _known() -> list[str]:
    modules = pkgutil.iter_modules(benchmarks.__path__)
    return sorted(m.name for m in modules if not m.ispkg and not m.name.startswith("_"))


def _summary(figures: list[Figure]) -> None:
    barred = sum(figure.bar is not None for figure in figures)
    if barred:
        below = missed(figures)
        names = ": " + "; ".join(figure.what for figure in below) if below else ""
        print(f"\n{barred - len(below)} of {barred} bars met, {len(below)} missed{names}")
    if PACE.made:
        print(f"{PACE.left_out} of {PACE.made} rounds left out: something else slowed the machine")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
