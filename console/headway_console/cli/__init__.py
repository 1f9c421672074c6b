"""The command line: the composition root, the one place that knows the runtime, the bridge and the console.

What ``headway --help`` and ``headway --version`` need is here, in ``root`` and ``lazy``; each command's module is
imported when that command runs, and imports what it needs itself.
"""

from headway_console.cli.root import cli, main

__all__ = ["cli", "main"]
