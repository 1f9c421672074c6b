"""``python -m headway_console.cli``: how Headway starts itself, whatever is first on PATH."""

import sys

from headway_console.cli.root import main

if __name__ == "__main__":
    sys.exit(main())
