"""The rows: what is asked of every target, and what one measurement of it gives.

A measurement is a dictionary with some of: rate (requests per second), cpu_us (of the proxy, for each
request), opened (connections that arrived at the server) or opened_per_1000 requests, p50_ms, p99_ms,
late_p99_ms (by how much the generator missed its own moments), rss_kib (resident memory of the proxy,
or for each idle client); those of isolation are said in disturbance.py.
"""

import csv
import subprocess
from dataclasses import dataclass

from bed import PASSWORD, RUN_LIMIT, USER, Failed, generator, program

IDLE_CLIENTS = 4_000
IDLE_WARM_SECONDS = 0.5
LATENCY_RATE = 10_000
LATENCY_CLIENTS = 50
GROWTH_CLIENTS = (1, 10, 100, 1_000, 8_000)
GROWTH_SECONDS = 0.8
WARM_SCALE = 0.1
REQUESTS_MIN = 1_000


@dataclass
class Row:
    """A row of the tables. `seconds` is about what one measurement takes, for the estimate."""

    key: str
    name: str
    seconds: float
    threads: int = 0
    value_len: int = 32
    fresh: bool = False  # measured on an instance of its own
    secured: bool = False  # clients come with TLS; the server is asked in plain text by proxies
    warms: bool = True

    def measure(self, bed, instance, scale):
        raise NotImplementedError


@dataclass
class Benchmark(Row):
    """A run of redis-benchmark, or Valkey's."""

    args: tuple = ()
    requests: int = 80_000

    def measure(self, bed, instance, scale):
        requests = max(REQUESTS_MIN, int(self.requests * scale))
        args = [
            program("valkey-benchmark", "redis-benchmark"), "-h", "127.0.0.1",
            "-p", str(instance.port), "--csv", "-d", str(self.value_len),
            "-n", str(requests), *self.args, *(("--tls", "--insecure") if self.secured else ()),
        ]
        with Meter(bed, instance) as meter:
            try:
                run = subprocess.run(
                    args, timeout=RUN_LIMIT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                )
            except subprocess.TimeoutExpired:
                raise Failed(f"no end within {RUN_LIMIT:.0f} s") from None
        rows = csv.reader(run.stdout.splitlines())
        rates = [float(row[1]) for row in rows if row and row[0] in ("GET", "SET")]
        if run.returncode != 0 or not rates:
            raise Failed(run.stderr.strip()[-300:] or "the benchmark failed")
        return meter.told(requests) | {"rate": rates[0]}


@dataclass
class Storm(Row):
    """connect, AUTH, SELECT, GET, close: each answered before the next, as PHP does."""

    def measure(self, bed, instance, scale):
        options = {"clients": 20, "seconds": self.seconds * scale, "login": f"{USER}:{PASSWORD}"}
        with generator(bed, "storm", instance.port, **options) as run:
            with Meter(bed, instance) as meter:
                told = run()
        visits = told["requests"]
        figures = meter.told(visits) | {"rate": visits / told["seconds"]}
        # As many visits as the time allowed: only their share can be compared.
        figures["opened_per_1000"] = figures.pop("opened") / visits * 1000
        return figures


@dataclass
class Latency(Row):
    """A fixed rate, each request timed from the moment it was meant to leave."""

    def measure(self, bed, instance, scale):
        seconds = self.seconds * scale
        options = {"clients": LATENCY_CLIENTS, "seconds": seconds, "rate": LATENCY_RATE}
        with generator(bed, "open", instance.port, **options) as run:
            with Meter(bed, instance) as meter:
                told = run()
        figures = {name: told[f"{name}_us"] / 1000 for name in ("p50", "p99", "late_p99")}
        sent = LATENCY_RATE * seconds
        return meter.told(sent) | {f"{name}_ms": figure for name, figure in figures.items()}


@dataclass
class Idle(Row):
    """Clients that asked once and are silent since, on an instance that was busy before."""

    def measure(self, bed, instance, scale):
        with generator(bed, "closed", instance.port, seconds=IDLE_WARM_SECONDS) as run:
            run()
        before, arrived = instance.rss_kib(), bed.server.connections_received()
        clients = max(100, int(IDLE_CLIENTS * scale))
        with generator(bed, "closed", instance.port, clients=clients, seconds=0):
            told = {"opened": bed.server.connections_received() - arrived}
            if instance.pid:
                told["rss_kib"] = (instance.rss_kib() - before) / clients
            return told


@dataclass
class Growth(Row):
    """A number of clients, each of which asks again as soon as it is answered."""

    clients: int = 1

    def measure(self, bed, instance, scale):
        arrived = bed.server.connections_received()
        seconds = max(0.2, GROWTH_SECONDS * scale)
        options = {"clients": self.clients, "seconds": seconds}
        with generator(bed, "closed", instance.port, **options) as run:
            with Meter(bed, instance) as meter:
                told = run()
            figures = meter.told(told["requests"]) | {
                "rate": told["requests"] / told["seconds"],
                "opened": bed.server.connections_received() - arrived,
            }
            if instance.pid:
                figures["rss_kib"] = instance.rss_kib()
            return figures


class Meter:
    """What the proxy and the server have to say of the time in between."""

    def __init__(self, bed, instance):
        self.bed, self.instance = bed, instance

    def __enter__(self):
        self.arrived = self.bed.server.connections_received()
        self.cpu = self.instance.cpu_seconds()
        return self

    def __exit__(self, *failure):
        self.cpu = self.instance.cpu_seconds() - self.cpu
        self.arrived = self.bed.server.connections_received() - self.arrived

    def told(self, requests):
        told = {"opened": self.arrived}
        if self.instance.pid:
            told["cpu_us"] = self.cpu / requests * 1e6
        return told


ROWS = [
    Benchmark("get50", "GET 32 B, 50 clients", 1.5, args=("-t", "get", "-c", "50")),
    Benchmark("set50", "SET 32 B, 50 clients", 1.5, args=("-t", "set", "-c", "50")),
    Benchmark("get500", "GET 32 B, 500 clients", 1.5, args=("-t", "get", "-c", "500")),
    Benchmark(
        "get500w1", "GET 32 B, 500 clients, 1 thread", 1.5, threads=1, args=("-t", "get", "-c", "500"),
    ),
    Benchmark(
        "p16", "GET pipelined 16, 50 clients", 1.5,
        args=("-t", "get", "-c", "50", "-P", "16"), requests=600_000,
    ),
    Benchmark(
        "1mb", "GET 1 MB, 4 clients", 2.0,
        value_len=1_000_000, args=("-t", "get", "-c", "4"), requests=2_000,
    ),
    Benchmark(
        "connect", "connect + GET + close, 20 clients", 1.5,
        args=("-t", "get", "-c", "20", "-k", "0"), requests=15_000,
    ),
    Storm("php", "connect + AUTH + SELECT + GET + close, 20 clients", 1.2),
    Latency("p99", "GET at 10,000 requests/s, 50 clients", 2.0),
    Idle("idle", "4,000 idle clients", 2.0, fresh=True, warms=False),
    Benchmark(
        "tls50", "TLS: GET 32 B, 50 clients", 2.0, secured=True, args=("-t", "get", "-c", "50"),
    ),
    Benchmark(
        "tlsp16", "TLS: GET pipelined 16, 50 clients", 2.0, secured=True,
        args=("-t", "get", "-c", "50", "-P", "16"), requests=400_000,
    ),
    Benchmark(
        "tls1mb", "TLS: GET 1 MB, 4 clients", 3.0, secured=True,
        value_len=1_000_000, args=("-t", "get", "-c", "4"), requests=1_500,
    ),
]
GROWTH = [
    Growth(f"clients{count}", f"{count:,}", GROWTH_SECONDS + count / 4_000, fresh=True,
           warms=False, clients=count)
    for count in GROWTH_CLIENTS
]


def choose(only, more):
    """The rows of `--only`: keys, or `growth` for all of its rows; all of both when empty. `more` are
    rows beside those here."""
    all_rows = ROWS + more
    words = [word.strip() for word in only.split(",") if word.strip()]
    known = {row.key for row in all_rows} | {"growth"}
    for word in words:
        if word not in known:
            raise SystemExit(f"--only: {word} is none of {', '.join(sorted(known))}")
    rows = [row for row in all_rows if not words or row.key in words]
    return rows, GROWTH if not words or "growth" in words else []
