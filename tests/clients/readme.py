"""The README's copy blocks: each follows a line `<!-- block: NAME -->`.

As a program it prints one of them: readme.py NAME.
"""

import os
import pathlib
import re
import sys

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
# The addresses the README is written with, and where the bed has them.
ADDRESS = "127.0.0.1:6379"
SENTINELS = "sentinel-1:26379,sentinel-2:26379,sentinel-3:26379"


def block(name):
    """The text of one block, with the bed's addresses in place of the README's."""
    pattern = rf"<!-- block: {re.escape(name)} -->\n+```\w*\n(.*?)^```$"
    found = re.findall(pattern, README.read_text(), re.DOTALL | re.MULTILINE)
    if len(found) != 1:
        raise SystemExit(f"README.md has {len(found)} blocks called {name}, not one")
    text = found[0].replace(SENTINELS, os.environ.get("SENTINELS", SENTINELS))
    return text.replace(ADDRESS, os.environ.get("STEADFAST_ADDR", ADDRESS))


if __name__ == "__main__":
    sys.stdout.write(block(sys.argv[1]))
