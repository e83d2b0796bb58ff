"""The README's commands for the plain program: `check` names the primary, and what they start serves.

They run in a folder in which `make build` finds nothing to do, because the program is there.
"""

import os
import pathlib
import subprocess
import tempfile

from readme import README, block
from started import started, without_make


def main():
    lines = block("shell").splitlines()
    *before, check, serve = lines
    assert lines[0] == "make build" and check.startswith("steadfast check "), lines
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "target/release").mkdir(parents=True)
        (folder / "target/release/steadfast").symlink_to(os.environ["STEADFAST"])
        (folder / "Makefile").symlink_to(README.parent / "Makefile")
        environment = without_make()
        checked = subprocess.run(
            ["bash", "-ec", "\n".join([*before, check])], cwd=folder, env=environment,
            capture_output=True, text=True, timeout=60,
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "127.0.0.1:" in checked.stdout, checked.stdout
        script = "\n".join([*before, f"exec {serve}"])
        with started(["bash", "-ec", script], environment, cwd=folder) as steadfast:
            steadfast.serves()


if __name__ == "__main__":
    main()
