"""A real deployment to fail over: a primary, two replicas, three Sentinels, Steadfast in front.

Everything listens on loopback ports the kernel chose and ends with the `with` block. It deliberately
knows nothing of the clients nor of what counts as a success.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PRIMARY_NAME = "mymaster"
NODES = 3
SENTINELS = 3
DOWN_AFTER_MS = 1500
FAILOVER_TIMEOUT_MS = 5000
START_LIMIT = 90
# An election that splits is tried again after twice the failover timeout, and may split again.
SWITCH_LIMIT = 90
ASK_LIMIT = 10
POLL = 0.02
# Long enough that every client has a command in flight, far below heartbeat and down-after.
FREEZE = 0.15
CALM = 3
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class BedError(Exception):
    """The scenery did not come up, or behaved unlike itself."""


def die_with_parent():
    """In the child: be killed when the harness ends, however it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def find_server():
    """The server binary: the one asked for, else what is installed."""
    wanted = os.environ.get("STEADFAST_TEST_SERVER")
    candidates = [wanted] if wanted else ["valkey-server", "redis-server"]
    for candidate in candidates:
        if path := shutil.which(candidate):
            return path
    raise BedError(f"no server found: {', '.join(candidates)}")


def free_ports(count):
    """Ports free at this moment, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def connect(port):
    """A client of one node or Sentinel that neither retries nor waits for long."""
    return redis.Redis(
        "127.0.0.1",
        port,
        protocol=2,
        socket_timeout=ASK_LIMIT,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def ask(port, *command):
    """One command on a connection of its own; None when it fails."""
    with connect(port) as client:
        try:
            return client.execute_command(*command)
        except redis.RedisError:
            return None


def wait_for(what, condition, limit=START_LIMIT):
    """Polls until the condition holds."""
    end = time.monotonic() + limit
    while not (answer := condition()):
        if time.monotonic() > end:
            raise BedError(f"waited {limit} s for {what}")
        time.sleep(POLL)
    return answer


class Bed:
    """The deployment. `folder` receives every process's log, `settings` are the servers' own."""

    def __init__(self, folder, flags=(), settings=()):
        self.folder = pathlib.Path(folder)
        self.flags = flags
        self.settings = settings
        self.processes = {}
        ports = free_ports(NODES + SENTINELS + 2)
        self.nodes = ports[:NODES]
        self.sentinels = ports[NODES : NODES + SENTINELS]
        self.port, self.admin_port = ports[-2:]

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _start(self):
        server = find_server()
        first = self.nodes[0]
        for port in self.nodes:
            more = [] if port == first else [f"replicaof 127.0.0.1 {first}"]
            config = ['save ""', "repl-diskless-sync no", *self.settings, *more]
            self._start_node(server, port, config)
        wait_for("the replicas", lambda: self._replicas_online(first) == NODES - 1)
        for port in self.sentinels:
            config = [
                f"sentinel monitor {PRIMARY_NAME} 127.0.0.1 {first} 2",
                f"sentinel down-after-milliseconds {PRIMARY_NAME} {DOWN_AFTER_MS}",
                f"sentinel failover-timeout {PRIMARY_NAME} {FAILOVER_TIMEOUT_MS}",
            ]
            self._start_node(server, port, config, "--sentinel")
        self.settle()
        self._start_proxy("steadfast", self.port, self.admin_port, self.flags)

    def settle(self):
        """Waits until every Sentinel sees two replicas that call themselves so: fit for a failover."""
        wait_for("the Sentinels", lambda: all(map(self._is_settled, self.sentinels)))

    def another_proxy(self, *flags):
        """Port of one more Steadfast before the same servers."""
        port, admin_port = free_ports(2)
        self._start_proxy(f"steadfast-{port}", port, admin_port, flags)
        return port

    def _start_node(self, server, port, config, *more):
        own = self.folder / str(port)
        own.mkdir(parents=True)
        lines = [f"dir {own}", f"port {port}", "bind 127.0.0.1", *config]
        (own / "node.conf").write_text("\n".join(lines) + "\n")
        self._spawn(port, [server, str(own / "node.conf"), *more], own / "log")

    def _start_proxy(self, name, port, admin_port, flags):
        binary = os.environ.get("STEADFAST_BIN", "target/debug/steadfast")
        sentinels = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        command = [
            binary,
            f"--sentinel={sentinels}",
            f"--primary-name={PRIMARY_NAME}",
            f"--listen=127.0.0.1:{port}",
            f"--admin-listen=127.0.0.1:{admin_port}",
            *flags,
        ]
        log = self.folder / f"{name}.log"
        process = self._spawn(name, command, log)

        def ready():
            if process.poll() is not None:
                raise BedError(f"Steadfast ended; see {log}")
            return ask(port, "SET", "bed:ready", "1")

        wait_for("Steadfast", ready)

    def _spawn(self, name, command, log):
        with open(log, "ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )
        self.processes[name] = process
        return process

    def _end(self):
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()

    def _replicas_online(self, primary):
        info = ask(primary, "INFO", "replication") or {}
        states = [info.get(f"slave{n}", {}).get("state") for n in range(NODES)]
        return states.count("online")

    def _is_settled(self, sentinel):
        """Whether a Sentinel knows the others, and two replicas that call themselves so.

        A Sentinel that last heard a node call itself a primary would make it a replica again, even
        in the middle of a planned failover that promotes it.
        """
        master = ask(sentinel, "SENTINEL", "MASTER", PRIMARY_NAME)
        replicas = ask(sentinel, "SENTINEL", "REPLICAS", PRIMARY_NAME)
        if not master or not replicas:
            return False
        replicas = [fields(replica) for replica in replicas]
        return (
            int(fields(master)["num-other-sentinels"]) == SENTINELS - 1
            and len(replicas) == NODES - 1
            and all(one["flags"] == one["role-reported"] == "slave" for one in replicas)
        )

    def wait_settled(self):
        """Until one failover could follow another."""
        wait_for(
            "the deployment to be whole",
            lambda: self._replicas_online(self.primary() or self.nodes[0]) == NODES - 1
            and all(map(self._is_settled, self.sentinels)),
        )

    def named_primary(self, sentinel):
        """Port of the primary this Sentinel names."""
        answer = ask(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", PRIMARY_NAME)
        return int(answer[1]) if answer else None

    def primary(self):
        """Port of the primary all Sentinels agree on, else None."""
        named = {self.named_primary(port) for port in self.sentinels}
        return named.pop() if len(named) == 1 else None

    def stay(self):
        """Nothing is done to the deployment for as long as a failover takes."""
        began = time.time()
        time.sleep(CALM)
        return began

    def plan_failover(self):
        """A planned failover, followed by Steadfast; says when it was ordered."""
        old = wait_for("agreeing Sentinels", self.primary)
        began = time.time()
        order = ("SENTINEL", "FAILOVER", PRIMARY_NAME)
        wait_for("a willing Sentinel", lambda: any(ask(port, *order) for port in self.sentinels))
        self._follow(old)
        return began

    def crash(self):
        """SIGKILL for the primary while commands are in flight; says when it died."""
        old = wait_for("agreeing Sentinels", self.primary)
        process = self.processes[old]
        process.send_signal(signal.SIGSTOP)
        time.sleep(FREEZE)
        process.kill()
        process.wait()
        began = time.time()
        self._follow(old)
        return began

    def _follow(self, old):
        def followed():
            new = self.primary()
            if new in (None, old):
                return False
            config = ask(self.port, "CONFIG", "GET", "port")
            return bool(config) and int(fields(config)["port"]) == new

        wait_for("Steadfast to follow", followed, SWITCH_LIMIT)

    def status(self):
        """What Steadfast's /status says."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.admin_port}/status", timeout=ASK_LIMIT
        ) as answer:
            return json.load(answer)


def fields(answer):
    """A flat list of names and values as a dictionary."""
    return dict(zip(answer[::2], answer[1::2]))
