"""examples/migrate: a set of Redis under load becomes one of Valkey, which then survives a crash.

The planned failover of this story is the move itself, done by move.sh as an operator would, after
one that is begun and called off. Then every row of the README's table is tried.
"""

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import time

import redis
from bed import PRIMARY_NAME, Bed, BedError, ask, connect, fields, find_server, free_ports, wait_for
from story import LOGS, PATIENCE, ROOT, Story, Uncertain, User, start_logs

EXAMPLE = "migrate"
FOLDER = ROOT / "examples" / EXAMPLE
TOOLS = ROOT / "target" / "tools" / "bin"
WRITERS = 4
# s; long where it is said to work, so that a slow machine fails nothing.
LINK_LIMIT = {"yes": PATIENCE, "no": 10}
# One key of each type that all these versions have.
DATA = (
    ("SET", "string", "1"),
    ("RPUSH", "list", *range(1000)),
    ("SADD", "set", *range(1000), "text"),
    ("ZADD", "sorted", 1, "one", 2, "two"),
    ("HSET", "hash", "field", "value"),
    ("XADD", "stream", "*", "field", "value"),
    ("PFADD", "estimate", *range(100)),
)


def server(name, version):
    """Path of a server, if it is here."""
    path = TOOLS / f"{name}-server-{version}"
    if path.exists():
        return str(path)
    own = shutil.which(f"{name}-server")
    told = subprocess.run([own, "--version"], capture_output=True, text=True).stdout if own else ""
    return own if f"v={version}." in told else None


class Moving(Bed):
    """A set of Redis whose planned failover is the move to Valkey."""

    def __init__(self, folder, valkey):
        super().__init__(folder)
        self.valkey = valkey

    def move(self, *words):
        """One step of move.sh."""
        sentinels = " ".join(f"127.0.0.1:{port}" for port in self.sentinels)
        environment = os.environ | {"SENTINELS": sentinels, "NAME": PRIMARY_NAME}
        with open(self.folder / "move.log", "ab") as log:
            command = [str(FOLDER / "move.sh"), *words]
            subprocess.run(command, env=environment, stdout=log, stderr=log, check=True)

    def start_valkey(self, count):
        """Addresses of so many new nodes."""
        ports = free_ports(count)
        for port in ports:
            self._start_node(self.valkey, port, ['save ""'])
            wait_for("Valkey", lambda: ask(port, "PING"))
        return [f"127.0.0.1:{port}" for port in ports]

    def plan_failover(self):
        """One move that is called off, one that is done."""
        given_up = self.start_valkey(1)
        self.move("join", *given_up)
        self.move("abort", *given_up)
        old = self.primary()
        new = self.start_valkey(2)
        self.move("join", *new)
        self.move("switch", *new)
        self._follow(old)

    def settle(self):
        """As ever at first; once moved, the old nodes leave."""
        if "move.log" not in {path.name for path in self.folder.iterdir()}:
            return super().settle()
        self.move("leave", *[f"127.0.0.1:{port}" for port in self.nodes])
        wait_for("the new set", lambda: all(map(self._is_new, self.sentinels)))

    def _is_new(self, sentinel):
        """Whether a Sentinel knows the others, and the one new replica."""
        replicas = ask(sentinel, "SENTINEL", "REPLICAS", PRIMARY_NAME) or []
        known = [fields(one) for one in replicas]
        others = ask(sentinel, "SENTINEL", "SENTINELS", PRIMARY_NAME) or []
        return len(others) == len(self.sentinels) - 1 and [one["flags"] for one in known] == ["slave"]


class Writer(User):
    """Appends one number after the other, on one connection that is never opened again."""

    def __init__(self, story, name, port):
        super().__init__(story, name)
        self.client = redis.Redis("127.0.0.1", port, socket_timeout=PATIENCE)
        self.numbers = itertools.count()
        self.accepted = []

    def round(self):
        value = f"{self.name}-{next(self.numbers)}"
        try:
            self.client.rpush("values", value)
        except redis.ResponseError as error:
            if str(error).startswith("UNCERTAIN"):
                raise Uncertain(error) from error
            raise
        self.accepted.append((value, time.time(), self.story.act))


def replicates(source, target, folder, limit):
    """Whether a replica of another version gets the data of a primary."""
    scene = Bed(folder)
    ports = free_ports(2)
    try:
        scene._start_node(source, ports[0], ['save ""'])
        for command in DATA:
            wait_for("the source", lambda: ask(ports[0], *command))
        scene._start_node(target, ports[1], ['save ""', f"replicaof 127.0.0.1 {ports[0]}"])
        with contextlib.suppress(BedError):
            wait_for("the data", lambda: ask(ports[1], "DBSIZE") == len(DATA), limit)
            return True
        return False
    finally:
        scene._end()


def try_table(story):
    """Each row of the README's table whose two servers are here."""
    rows = re.findall(r"^\| (\w+) ([\d.]+) \| (\w+) ([\d.]+) \| (yes|no)", page(), re.MULTILINE)
    story.expect(rows, "the README has no table")
    tried = 0
    for number, (source, old, target, new, says) in enumerate(rows):
        pair = server(source.lower(), old), server(target.lower(), new)
        if None in pair:
            print(f"{EXAMPLE:12} not tried here: {source} {old} into {target} {new}")
            continue
        tried += 1
        works = replicates(*pair, LOGS / EXAMPLE / f"row-{number}", LINK_LIMIT[says])
        story.expect(works == (says == "yes"), f"{source} {old} into {target} {new}: {works}")
    print(f"{EXAMPLE:12} {tried} of {len(rows)} rows of the table tried", flush=True)


def page():
    """The README."""
    return (FOLDER / "README.md").read_text()


def main():
    """The exit status."""
    start_logs(EXAMPLE)
    valkey = server("valkey", "8.0") or server("valkey", "9.1")
    if not valkey or "redis" not in find_server():
        print("without Redis and Valkey side by side there is nothing to move")
        return 69
    with Moving(LOGS / EXAMPLE / "set", valkey) as bed:
        story = Story(EXAMPLE, [bed])
        writers = [Writer(story, f"writer-{number}", bed.port) for number in range(WRITERS)]
        story.play(*writers)
        with connect(bed.primary()) as primary:
            story.expect("valkey_version" in primary.info("server"), "the primary is no Valkey")
            story.compare(sum((one.accepted for one in writers), []), primary.lrange("values", 0, -1))
    try_table(story)
    return story.judge(in_flight=WRITERS)


if __name__ == "__main__":
    sys.exit(main())
