#!/usr/bin/env python3
"""Steadfast, HAProxy and a direct connection, side by side in front of one server.

Rounds are interleaved, so that a machine that gets slower or faster meanwhile does so for all; each
figure is the ratio to the direct connection of the same round. Client, server and proxies share
this machine's cores, and whatever else runs on it shows in the spread.

It measures throughput and CPU time alone: what a failover costs is what the tests are for.
"""

import argparse
import contextlib
import csv
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = ROOT / "target/release/steadfast"
KEY = "key:__rand_int__"  # what redis-benchmark's GET asks for when no -r is given
START_LIMIT = 15.0
RUN_LIMIT = 60.0  # redis-benchmark waits for ever when a connection is refused
# Under a low descriptor limit HAProxy refuses to start with its own idea of a maximum.
HAPROXY_CONNECTIONS = 2000
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    name: str
    args: list
    value_len: int
    requests: int


LOADS = [
    Load("GET 32 B, 50 clients", ["-t", "get", "-c", "50"], 32, 100_000),
    Load("SET 32 B, 50 clients", ["-t", "set", "-c", "50"], 32, 100_000),
    Load("GET 32 B, 500 clients", ["-t", "get", "-c", "500"], 32, 100_000),
    Load("GET pipelined 16, 50 clients", ["-t", "get", "-c", "50", "-P", "16"], 32, 800_000),
    Load("GET 1 MB, 4 clients", ["-t", "get", "-c", "4"], 1_000_000, 3_000),
    Load("connect + GET + close, 20 clients", ["-t", "get", "-c", "20", "-k", "0"], 32, 20_000),
]


@dataclass
class Target:
    name: str
    port: int
    pid: int = 0
    rates: dict = field(default_factory=dict)
    cpu: dict = field(default_factory=dict)
    done: dict = field(default_factory=dict)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(*names):
    return next((path for path in map(shutil.which, names) if path), None)


class Bed:
    """The processes, all of which end with it."""

    def __init__(self, home):
        self.home = Path(home)
        self.children = []

    def spawn(self, name, args, env=None):
        with open(self.home / f"{name}.log", "wb") as log:
            child = subprocess.Popen(
                [str(arg) for arg in args], cwd=self.home, env=env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.children.append(child)
        return child

    def start(self, name, port, args, env=None):
        child = self.spawn(name, args, env)
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and child.poll() is None:
            if answers(port):
                return Target(name, port, child.pid)
            time.sleep(0.02)
        tail = (self.home / f"{name}.log").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{name} does not serve:\n{tail}")

    def close(self):
        for child in self.children:
            child.kill()
        for child in self.children:
            child.wait(timeout=START_LIMIT)


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.sendall(b"PING\r\n")
            return link.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def store(port, length):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        head = f"*3\r\n$3\r\nSET\r\n${len(KEY)}\r\n{KEY}\r\n${length}\r\n"
        link.sendall(head.encode() + b"v" * length + b"\r\n")
        if not link.recv(64).startswith(b"+OK"):
            raise SystemExit("the server does not take the value to be read")


def start_all(bed, server):
    primary, sentinel = free_port(), free_port()
    direct = bed.start("direct", primary, [
        server, "--port", primary, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
    ])
    direct.pid = 0  # its CPU time is the server's, not a proxy's
    conf = bed.home / "sentinel.conf"
    conf.write_text(
        f"port {sentinel}\nbind 127.0.0.1\n"
        f"sentinel monitor bench 127.0.0.1 {primary} 1\n"
        "sentinel down-after-milliseconds bench 60000\n"
    )
    bed.start("sentinel", sentinel, [server, conf, "--sentinel"])
    targets = [direct]
    haproxy = program("haproxy")
    if haproxy:
        targets.append(start_haproxy(bed, haproxy, primary))
    else:
        print("haproxy is not installed: its column is missing", file=sys.stderr)
    for name, more in [("steadfast", []), ("steadfast, 1 worker", ["--workers", "1"])]:
        port = free_port()
        env = {key: os.environ[key] for key in os.environ if not key.startswith("STEADFAST_")}
        targets.append(bed.start(name, port, [
            BINARY, "run", "--sentinel", f"127.0.0.1:{sentinel}", "--primary-name", "bench",
            "--listen", f"127.0.0.1:{port}", "--admin-listen", "127.0.0.1:0", *more,
        ], env))
    return targets


def start_haproxy(bed, haproxy, primary):
    port = free_port()
    conf = bed.home / "haproxy.cfg"
    conf.write_text(
        f"global\n  maxconn {HAPROXY_CONNECTIONS}\n"
        "defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 1h\n  timeout server 1h\n"
        f"listen redis\n  bind 127.0.0.1:{port}\n  server primary 127.0.0.1:{primary}\n"
    )
    return bed.start("HAProxy", port, [haproxy, "-db", "-f", conf])


def cpu_seconds(pid):
    if not pid:
        return 0.0
    stat = Path(f"/proc/{pid}/stat").read_text()
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(benchmark, target, load, requests):
    """Requests per second; none when the run failed or took too long."""
    args = [
        benchmark, "-h", "127.0.0.1", "-p", str(target.port), "--csv",
        "-d", str(load.value_len), "-n", str(requests), *load.args,
    ]
    before = cpu_seconds(target.pid)
    try:
        run = subprocess.run(
            args, timeout=RUN_LIMIT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
    except subprocess.TimeoutExpired:
        print(f"{target.name}, {load.name}: no end within {RUN_LIMIT:.0f} s", file=sys.stderr)
        return None
    rates = [row[1] for row in csv.reader(run.stdout.splitlines()) if row and row[0] in ("GET", "SET")]
    if run.returncode != 0 or not rates:
        print(f"{target.name}, {load.name}: {run.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    target.cpu[load.name] = target.cpu.get(load.name, 0.0) + cpu_seconds(target.pid) - before
    target.done[load.name] = target.done.get(load.name, 0) + requests
    return float(rates[0])


def run_rounds(benchmark, targets, loads, rounds, scale):
    for number in range(rounds):
        for load in loads:
            # Every target is first in its turn, because the first one meets a colder cache.
            shift = number % len(targets)
            store(targets[0].port, load.value_len)
            for target in targets[shift:] + targets[:shift]:
                rate = measure(benchmark, target, load, max(1, int(load.requests * scale)))
                target.rates.setdefault(load.name, []).append(rate)
        print(f"round {number + 1} of {rounds} is done", file=sys.stderr)


def ratios(target, direct, load):
    pairs = zip(target.rates.get(load.name, []), direct.rates.get(load.name, []))
    return [mine / other for mine, other in pairs if mine and other]


def print_tables(targets, loads):
    direct, proxies = targets[0], targets[1:]
    names = " | ".join(proxy.name for proxy in proxies)
    line = "|---" * (len(proxies) + 2) + "|"
    print("\nThroughput, ratio to direct: median (lowest to highest round)\n")
    print(f"| load | direct, requests/s | {names} |\n{line}")
    for load in loads:
        base = [rate for rate in direct.rates[load.name] if rate]
        cells = [f"{statistics.median(base):,.0f}" if base else "failed"]
        for proxy in proxies:
            all_of = ratios(proxy, direct, load)
            cells.append(
                f"**{statistics.median(all_of):.2f}** ({min(all_of):.2f} to {max(all_of):.2f})"
                if all_of else "failed"
            )
        print(f"| {load.name} | {' | '.join(cells)} |")
    line = "|---" * (len(proxies) + 1) + "|"
    print("\nCPU time of the proxy for each request, in microseconds\n")
    print(f"| load | {names} |\n{line}")
    for load in loads:
        cells = []
        for proxy in proxies:
            done = proxy.done.get(load.name, 0)
            cells.append(f"{proxy.cpu[load.name] / done * 1e6:.1f}" if done else "failed")
        print(f"| {load.name} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of requests")
    parser.add_argument("--only", default="", help="loads whose name contains this")
    wanted = parser.parse_args()
    server = program("valkey-server", "redis-server")
    benchmark = program("valkey-benchmark", "redis-benchmark")
    if not server or not benchmark:
        raise SystemExit("needs a Valkey or Redis server and its benchmark program")
    if not BINARY.exists():
        raise SystemExit("needs target/release/steadfast: make build")
    loads = [load for load in LOADS if wanted.only in load.name]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="steadfast-bench-") as home, \
            contextlib.closing(Bed(home)) as bed:
        targets = start_all(bed, server)
        run_rounds(benchmark, targets, loads, wanted.rounds, wanted.scale)
        print_tables(targets, loads)
    load_now = os.getloadavg()[0]
    print(f"\n{os.cpu_count()} cores; load average at the end {load_now:.1f}")


if __name__ == "__main__":
    main()
