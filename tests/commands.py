#!/usr/bin/env python3
"""Writes down what servers say of their commands: src/resp/class/data/NAME-MAJOR.MINOR.txt.

    tests/commands.py BINARY...

Starts each server on a socket file of its own, asks COMMAND, and replaces the file of its version.
The table of src/resp/class is made from these files when Steadfast is compiled, so a change shows
in review as the lines a server changed. Decides nothing: what a command means to Steadfast is for
src/resp/class/overlay.rs. tests/setup.sh servers brings every version that is supported.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

DATA = pathlib.Path(__file__).resolve().parent.parent / "src/resp/class/data"
PATIENCE = 10
HEADER = """\
# {title}: what COMMAND says. Made by tests/commands.py; do not edit.
# name arity flags categories first:last:step tips key-specifications
"""


class Connection:
    """Asks one server, in RESP2."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.replies = self.socket.makefile("rb")

    def ask(self, *words):
        request = b"*%d\r\n" % len(words)
        for word in words:
            request += b"$%d\r\n%s\r\n" % (len(word), word.encode())
        self.socket.sendall(request)
        return self.reply()

    def reply(self):
        kind, rest = (line := self.replies.readline())[:1], line[1:-2].decode()
        if kind == b"$":
            return self.replies.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        raise SystemExit(f"unexpected reply: {line!r}")


def connect(server, path):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return Connection(path)
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the server does not listen") from None
            time.sleep(0.01)


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))


def words(values):
    return ",".join(sorted(value.lstrip("@") for value in values)) or "-"


def search(step):
    """One half of a key specification, such as keyword(STREAMS,1)."""
    step = pairs(step)
    values = ",".join(str(value) for value in pairs(step["spec"]).values())
    return f"{step['type']}({values})"


def key_specification(flat):
    spec = pairs(flat)
    found = search(spec["begin_search"]) + search(spec["find_keys"])
    return "+".join(sorted(spec["flags"])) + "@" + found


def rows(command):
    """The lines of a command and its subcommands; Redis 6.2 says nothing beyond categories."""
    name, arity, flags, first, last, step, categories = command[:7]
    tips, specs, subcommands = command[7:10] if len(command) >= 10 else ([], [], [])
    # Order says nothing in a reply, and differs.
    tips = ",".join(sorted(tip.replace(" ", "_") for tip in tips)) or "-"
    specs = ";".join(key_specification(spec) for spec in specs) or "-"
    yield (f"{name.upper()} {arity} {words(flags)} {words(categories)} "
           f"{first}:{last}:{step} {tips} {specs}")
    for subcommand in subcommands:
        yield from rows(subcommand)


def record(binary):
    executable = os.path.abspath(shutil.which(binary) or sys.exit(f"no program: {binary}"))
    with tempfile.TemporaryDirectory(prefix="steadfast-commands-") as directory:
        path = f"{directory}/socket"
        with subprocess.Popen(
            [executable, "--port", "0", "--save", "", "--unixsocket", path],
            cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        ) as server:
            try:
                write(connect(server, path))
            finally:
                server.kill()


def write(connection):
    fields = dict(line.split(":", 1) for line in connection.ask("INFO", "server").splitlines()
                  if ":" in line)
    name = "valkey" if "valkey_version" in fields else "redis"
    version = fields[f"{name}_version"]
    lines = sorted(row for command in connection.ask("COMMAND") for row in rows(command))
    path = DATA / f"{name}-{'.'.join(version.split('.')[:2])}.txt"
    title = f"{name.capitalize()} {version}"
    DATA.mkdir(exist_ok=True)
    path.write_text(HEADER.format(title=title) + "".join(f"{line}\n" for line in lines))
    print(f"{path.name}: {len(lines)} commands and subcommands of {title}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for argument in sys.argv[1:]:
        record(argument)
