"""Run the measurements and print them as a table: ``python -m benchmarks [NAME…] [--json] [--no-peers]``.

Each module of this folder with a ``run()`` is a benchmark; ``run()`` yields its figures as they come, and its
``SECONDS`` are the most that it may take. Each runs in a process of its own, which is ended when it takes longer, so
that the end comes on a busy machine too. What goes on is told on stderr. A bar that is missed is said and no more: the
exit code is 0, because a figure depends on the machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import benchmarks
from benchmarks._figure import Figure, as_json, figure_of, lines, missed

FIRST = ("executor", "verify", "store", "engine", "prune", "start")
"""The benchmarks that come first: the time may not be enough for all."""

LIMIT_S = 340.0
"""The time that everything may take."""
GRACE_S = 8.0
"""The time that a benchmark whose time is over may take for the row that it has begun."""
SILENCE_S = 5.0
"""After so many seconds without a row, what is being measured is told."""


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
    names = options.names or known
    machine = {"python": sys.version.split()[0], "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    if not options.json:
        print(f"Python {machine['python']}, {machine['cores']} cores, load {machine['load']}")
    session = Session(peers=not options.no_peers, quiet=options.json)
    for number, name in enumerate(names, 1):
        session.run(name, f"[{number}/{len(names)}]")
    if options.json:
        shown = {name: [as_json(figure) for figure in figures] for name, figures in session.found.items()}
        print(json.dumps({**machine, "benchmarks": shown, "cut_short": session.cut_short}, indent=2))
    else:
        session.summary()
    return 0


class Session:
    """The benchmarks of one call: their rows, and what is left of the time."""

    def __init__(self, *, peers: bool, quiet: bool) -> None:
        self.found: dict[str, list[Figure]] = {}
        self.cut_short: list[str] = []
        self._peers = peers
        self._quiet = quiet
        self._end = time.monotonic() + LIMIT_S
        self._made = self._left_out = 0

    def run(self, name: str, place: str) -> None:
        """Run one benchmark, printing its rows as they come."""
        figures = self.found[name] = []
        most = min(float(importlib.import_module(f"benchmarks.{name}").SECONDS), self._end - time.monotonic() - GRACE_S)
        self._say(f"\n{place} {name} (at most {max(0.0, most):.0f} s)")
        if most <= 0:
            self._cut(name, "left out: no time is left")
            return
        began = time.monotonic()
        for message in self._messages(name, most):
            if "row" in message:
                figures.append(figure_of(message["row"]))
                self._say(*lines(figures[-1:]))
            elif "over" in message:
                self._cut(
                    name, f"cut short after {time.monotonic() - began:.0f} s: the rows that would follow are missing"
                )
            elif "failed" in message:
                self._cut(name, message["failed"])
            else:
                self._made += message["made"]
                self._left_out += message["left_out"]

    def summary(self) -> None:
        """Print how many bars were met, and what the machine did to the figures."""
        figures = [figure for found in self.found.values() for figure in found]
        barred = sum(figure.bar is not None for figure in figures)
        if barred:
            below = missed(figures)
            names = ": " + "; ".join(figure.what for figure in below) if below else ""
            print(f"\n{barred - len(below)} of {barred} bars met, {len(below)} missed{names}")
        if slowed := sum(figure.slowed for figure in figures):
            print(f"{slowed} of {len(figures)} rows were measured while something else slowed the machine")
        if self._made:
            print(f"{self._left_out} of {self._made} rounds left out: something else slowed the machine")
        if self.cut_short:
            print(f"cut short: {', '.join(self.cut_short)}")

    def _messages(self, name: str, most: float) -> Iterator[dict[str, Any]]:
        """Yield what a benchmark's process writes; end it, and what it started, when its time is over."""
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks._child", name, str(most)]
        began = told = time.monotonic()
        with (
            subprocess.Popen(
                [*command, *([] if self._peers else ["--no-peers"])],
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            ) as process,
            selectors.DefaultSelector() as selector,
        ):
            assert process.stdout is not None
            os.set_blocking(process.stdout.fileno(), False)
            selector.register(process.stdout, selectors.EVENT_READ)
            text = b""
            try:
                while (now := time.monotonic()) < began + most + GRACE_S:
                    if selector.select(0.5):
                        piece = os.read(process.stdout.fileno(), 1 << 16)
                        if not piece:
                            break
                        *whole, text = (text + piece).split(b"\n")
                        told = now
                        yield from map(json.loads, whole)
                    elif now - told > SILENCE_S:
                        told = now
                        print(f"  … {name}: {now - began:.0f} s", file=sys.stderr, flush=True)
                else:
                    yield {"over": True}
                    return
                if process.wait(GRACE_S):
                    yield {"failed": f"failed with exit code {process.returncode}"}
            finally:
                _end_group(process)

    def _cut(self, name: str, why: str) -> None:
        self.cut_short.append(name)
        self._say(f"  {name}: {why}")

    def _say(self, *text: str) -> None:
        print(*text, sep="\n", file=sys.stderr if self._quiet else sys.stdout, flush=True)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it started, peers and terminals too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _known() -> list[str]:
    modules = pkgutil.iter_modules(benchmarks.__path__)
    names = sorted(m.name for m in modules if not m.ispkg and not m.name.startswith("_"))
    return [*FIRST, *(name for name in names if name not in FIRST)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
