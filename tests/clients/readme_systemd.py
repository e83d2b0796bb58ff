"""The README's service: its commands put everything in its place and enable it, and what the installed unit
starts serves, and tells systemd so.

systemd is not there: a stand-in takes down what it is asked, and the test starts what the unit says. Nothing
outside a folder of its own is written to.
"""

import os
import pathlib
import re
import socket
import subprocess
import tempfile

from readme import README, block
from started import LIMIT, stand_ins, started, without_make


def install(folder):
    """Runs the block; the unit that it left."""
    with stand_ins(sudo='exec "$@"', systemctl='echo "$*" >>"$told"') as programs:
        environment = without_make() | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PREFIX": str(folder / "usr"),
            "SYSCONFDIR": str(folder / "etc"),
        }
        text = block("systemd").replace("/etc/steadfast", f"{folder}/etc/steadfast")
        done = subprocess.run(
            ["bash", "-ec", text], cwd=README.parent, env=environment, capture_output=True, text=True,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = (programs / "told").read_text().splitlines()
    assert told == ["daemon-reload", "enable --now steadfast"], told
    return (folder / "usr/lib/systemd/system/steadfast.service").read_text()


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        unit = install(folder)
        settings = (folder / "etc/steadfast/steadfast.toml").read_text()
        assert os.environ["SENTINELS"] in settings, settings
        command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1].split()
        assert command[0] == f"{folder}/usr/bin/steadfast" and "Type=notify\n" in unit, unit
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(folder / "notify"))
            notified.settimeout(LIMIT)
            with started(command, {"NOTIFY_SOCKET": str(folder / "notify")}) as steadfast:
                assert "READY=1" in notified.recv(4096).decode().splitlines()
                steadfast.serves()


if __name__ == "__main__":
    main()
