"""Run the measurements and print them as a table: ``python -m benchmarks [NAME…]``.

Each module of this folder with a ``run()`` is a benchmark; ``run()`` returns rows (what, value, unit).
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import time

import benchmarks


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return the exit code."""
    known = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in names or known:
        module = importlib.import_module(f"benchmarks.{name}")
        if not hasattr(module, "run"):
            continue
        started = time.process_time()
        rows = module.run()
        print(f"\n{name} ({time.process_time() - started:.1f} s of CPU)")
        width = max(len(what) for what, _, _ in rows)
        for what, value, unit in rows:
            print(f"  {what:<{width}}  {value:>12,.2f} {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
