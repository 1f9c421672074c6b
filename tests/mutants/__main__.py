"""Run the mutants: ``python -m tests.mutants [WORD…] [--workers N]``.

Each is made in a copy of the checkout; the tests named for it then run there, and one must fail. With words, only
mutants whose names have them all. Prints a line per mutant as it comes and a summary. The exit code is 1 if a mutant
survives, if a fragment is no longer in its file exactly once, or if the tests fail without any mutant.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).parents[2]
COPIED = ("core", "bridge", "console", "tests", "recordings", "themes", "examples", "docs", "pyproject.toml")

TEST_S = 30
"""The time that one test may take: a mutant may wait for ever."""
MUTANT_S = 150
"""The time that all tests of one mutant may take; one that takes longer is killed, in both senses."""
LIMIT_S = 1800
"""The time that everything may take; mutants that have not had their turn by then count as alive."""


class Fate(NamedTuple):
    """The end of a mutant. ``problem`` says why that is no good; None: a test failed, as one must."""

    mutant: Mutant
    seconds: float
    killed_by: str = ""
    problem: str | None = None


class Copy:
    """A copy of the checkout that holds one mutant at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, path / name)
        roots = os.pathsep.join(str(path / name) for name in ("core", "bridge", "console"))
        self._environment = {
            **os.environ,
            "PYTHONPATH": roots,  # before what the environment has installed
            "PYTHONPYCACHEPREFIX": str(path / "pycache"),
        }

    @contextmanager
    def holding(self, mutant: Mutant) -> Iterator[None]:
        """Have the fault in the copy."""
        file = self.path / mutant.path
        original = file.read_text()
        file.write_text(original.replace(mutant.fragment, mutant.replacement))
        self._forget(file)
        try:
            yield
        finally:
            file.write_text(original)
            self._forget(file)

    def _forget(self, file: Path) -> None:
        """Drop what Python compiled of a file: its time and its size may be the same as before."""
        for compiled in self.path.glob(f"pycache/**/{file.stem}.*.pyc"):
            compiled.unlink()

    def failing(self, tests: Iterable[str], seconds: float, each: float) -> str | None:
        """Run tests; return the first that fails, "" for none, None if they did not end in ``seconds``."""
        options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=no"]
        limits = [f"--timeout={each}", "--timeout-method=thread"]  # which ends the process, whatever it hangs in
        command = [sys.executable, "-m", "pytest", *options, *limits, *tests]
        try:
            done = subprocess.run(
                command, cwd=self.path, env=self._environment, capture_output=True, text=True, timeout=seconds,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
        if done.returncode == 0:
            return ""
        lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        return lines[0].split(" - ")[0].split(" ", 1)[1] if lines else "a test that did not end"


def misfit(mutant: Mutant) -> str | None:
    """Return why a mutant cannot be made of the present source."""
    file = ROOT / mutant.path
    if not file.is_file():
        return f"there is no {mutant.path}"
    count = file.read_text().count(mutant.fragment)
    if count != 1:
        return f"its fragment is {count} times in {mutant.path}"
    lost = [test for test in mutant.tests if not (ROOT / test.split("::")[0]).is_file()]
    return f"there is no {lost[0]}" if lost else None


def try_out(mutant: Mutant, copies: SimpleQueue[Copy], deadline: float) -> Fate:
    """Run a mutant in a copy that is free."""
    problem = misfit(mutant)
    if problem is not None:
        return Fate(mutant, 0.0, problem=problem)
    copy, began = copies.get(), time.monotonic()
    if began > deadline:
        copies.put(copy)
        return Fate(mutant, 0.0, problem=f"not tried within {LIMIT_S / 60:.0f} minutes")
    try:
        with copy.holding(mutant):
            killer = copy.failing(mutant.tests, MUTANT_S, TEST_S)
    finally:
        copies.put(copy)
    seconds = time.monotonic() - began
    if killer == "":
        return Fate(mutant, seconds, problem=f"survives {', '.join(mutant.tests)}")
    return Fate(mutant, seconds, killer if killer is not None else f"no end within {MUTANT_S} s")


def run(mutants: list[Mutant], workers: int) -> list[Fate]:
    """Run mutants, in so many copies side by side, telling of each."""
    fates: list[Fate] = []
    deadline = time.monotonic() + LIMIT_S
    with tempfile.TemporaryDirectory(prefix="headway-mutants-") as folder, ThreadPoolExecutor(workers) as pool:
        made = [Copy(Path(folder) / str(number)) for number in range(workers)]
        fitting = sorted({test for mutant in mutants if misfit(mutant) is None for test in mutant.tests})
        print(f"{len(mutants)} mutants; first the {len(fitting)} files of tests without any", flush=True)
        failed = list(pool.map(lambda pair: pair[0].failing(pair[1], LIMIT_S / 2, LIMIT_S / 6), _shared(made, fitting)))
        if any(found != "" for found in failed):
            raise SystemExit(f"these tests fail without a mutant: {[found for found in failed if found != '']}")
        copies: SimpleQueue[Copy] = SimpleQueue()
        for copy in made:
            copies.put(copy)
        for done in as_completed([pool.submit(try_out, mutant, copies, deadline) for mutant in mutants]):
            fate = done.result()
            fates.append(fate)
            said = f"killed by {fate.killed_by}" if fate.problem is None else f"NOT KILLED: {fate.problem}"
            print(f"[{len(fates)}/{len(mutants)}] {fate.seconds:4.0f} s  {fate.mutant.name}: {said}", flush=True)
    return fates


def _shared(copies: list[Copy], tests: list[str]) -> list[tuple[Copy, list[str]]]:
    return [(copy, part) for n, copy in enumerate(copies) if (part := tests[n :: len(copies)])]


def main(arguments: list[str]) -> int:
    """Run the mutants that the words name; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Faults that the tests must find.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only mutants whose names have all these words")
    parser.add_argument("--workers", type=int, default=2, help="how many run side by side")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if all(word in f"{mutant.name} {mutant.file}" for word in options.words)]
    began = time.monotonic()
    fates = run(chosen, options.workers)
    bad = [fate for fate in fates if fate.problem is not None]
    print(f"\n{len(fates) - len(bad)} of {len(fates)} mutants killed in {time.monotonic() - began:.0f} s")
    for fate in bad:
        print(f"  {fate.mutant.name}: {fate.problem}")
    return 1 if bad or not fates else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
