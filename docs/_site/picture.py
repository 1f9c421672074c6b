"""Makes docs/images/console.svg, the README's picture: the console on the demo, some seconds into a round.

``.venv/bin/python docs/_site/picture.py docs/images/console.svg``
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from headway.home import Home
from headway_console.app import HeadwayConsole
from headway_console.sources import StoreSource

SIZE = (120, 34)
SECONDS = 9.0
HEADWAY = (sys.executable, "-m", "headway_console.cli")


async def picture(home: Path) -> str:
    """Return the SVG, without the path of the home."""
    app = HeadwayConsole(StoreSource(Home(home)))
    async with app.run_test(size=SIZE) as pilot:
        await asyncio.sleep(SECONDS)
        await pilot.pause()
        drawn = app.export_screenshot(title="headway up --demo")
    drawn = re.sub(r"@font-face\s*{[^}]*}", "", drawn)  # nothing is fetched from elsewhere: monospace does
    return drawn.replace(str(home), "demo".ljust(len(str(home)), "\u00a0"))


def main(target: Path) -> None:
    """Run the demo's daemon for as long as it takes, and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "demo"
        subprocess.run([*HEADWAY, "--home", str(home), "up", "--demo", "--detach"], check=True)
        try:
            drawn = asyncio.run(picture(home))
        finally:
            subprocess.run([*HEADWAY, "--home", str(home), "stop", "--now"], check=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = [line.rstrip() for line in drawn.splitlines()]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
