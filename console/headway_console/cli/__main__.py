"""``python -m headway_console.cli``: how Headway starts itself, whatever is first on PATH."""

import sys

if not sys.flags.safe_path:
    # The working folder, which -m puts in front: plans write to it, and nothing is imported from there.
    del sys.path[0]

from headway_console.cli.root import main

if __name__ == "__main__":
    sys.exit(main())
