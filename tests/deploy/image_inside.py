"""Runs the image's program within namespaces that image.py made for it: see there.

The one argument is JSON: root, user, env, command, health.
"""

import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

LIMIT = 90  # seconds for what takes well under one
IPV6 = pathlib.Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")


def until(what, tried):
    """Waits until `tried` is true."""
    end = time.monotonic() + LIMIT
    while not tried():
        if time.monotonic() > end:
            sys.exit(f"{what} does not happen")
        time.sleep(0.05)


def accepts():
    """Whether clients can connect at the image's port, by IPv4."""
    try:
        socket.create_connection(("127.0.0.1", 6379), timeout=5).close()
        return True
    except OSError:
        return False


def main():
    given = json.loads(sys.argv[1])
    root, user = given["root"], given["user"]
    subprocess.run(["mount", "--bind", root, root], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    if IPV6.exists():
        IPV6.write_text("1")
    environment = dict(variable.split("=", 1) for variable in given["env"])

    def inside(command):
        return ["chroot", f"--userspec={user}", root, *command]

    program = subprocess.Popen(inside(given["command"]), env=environment)

    until("that clients can connect", accepts)
    health = inside(given["health"])
    until("health", lambda: subprocess.run(health, env=environment).returncode == 0)
    identity = subprocess.run(
        ["ps", "-o", "uid=,gid=", "-p", str(program.pid)], capture_output=True, text=True
    ).stdout.split()
    if ":".join(identity) != user:
        sys.exit(f"it runs as {identity}")
    program.send_signal(signal.SIGTERM)
    if program.wait(timeout=LIMIT) != 0:
        sys.exit(f"it ends with {program.returncode}")


if __name__ == "__main__":
    main()
