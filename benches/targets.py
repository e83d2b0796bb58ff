"""What is compared: how each is found, configured and started.

Each has as many threads as it takes by itself, or the one that a row asks for. Nothing is tuned
beyond raising the limits that would refuse the clients of the larger rows.
"""

import itertools
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

from bed import BACKLOG, PRIMARY_NAME, ROOT, Failed, Instance, free_port, program

BINARY = ROOT / "target/release/steadfast"
FLOOR = ROOT / "target/release/examples/floor"
POOLS = ("session", "shared")
CONNECTIONS_MAX = 9_000
VERSION = re.compile(r"\d+(?:\.\d+)+")
NOT_PACKAGED = "predixy and the Go tunnels are in no package registry: they cannot be compared here"
numbers = itertools.count(1)


class Target:
    """One column; a subclass says how it is started in front of the bed's server."""

    name = ""
    version_flag = "--version"
    knows_tls = False

    def __init__(self, path):
        self.path = path

    def version(self):
        run = subprocess.run(
            [self.path, self.version_flag], capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=20,
        )
        found = VERSION.search(run.stdout + run.stderr)
        return found.group() if found else "unknown"

    def start(self, bed, threads=None, secured=False):
        """A fresh instance, with `secured` one that clients reach by TLS alone."""
        if secured and not self.knows_tls:
            raise Failed("knows no TLS")
        port, number = free_port(), next(numbers)
        name = f"{number}-{type(self).__name__}"
        conf = bed.home / f"{name}.conf"
        pair = bed.pair if secured else None
        return bed.start(name, port, self.command(bed, port, conf, threads, pair), secured)

    def command(self, bed, port, conf, threads, pair):
        raise NotImplementedError


class Direct(Target):
    """The server itself, whose CPU time and memory are no proxy's."""

    name = "direct"

    def __init__(self):
        super().__init__(program("valkey-server", "redis-server"))

    def start(self, bed, threads=None, secured=False):
        return Instance(bed.primary_tls if secured else bed.primary)


class HAProxy(Target):
    name = "HAProxy"
    version_flag = "-v"
    knows_tls = True

    def command(self, bed, port, conf, threads, pair):
        conf.write_text(
            f"global\n  maxconn {CONNECTIONS_MAX}\n"
            + (f"  nbthread {threads}\n" if threads else "")
            + f"defaults\n  mode tcp\n  backlog {BACKLOG}\n  maxconn {CONNECTIONS_MAX}\n"
            "  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"listen redis\n  bind 127.0.0.1:{port}"
            + (f" ssl crt {pair.both}" if pair else "")
            + f"\n  server primary 127.0.0.1:{bed.primary}\n"
        )
        return [self.path, "-db", "-f", conf]


class Twemproxy(Target):
    """One thread, whatever is asked for: it has no others."""

    name = "twemproxy"
    version_flag = "--help"

    def command(self, bed, port, conf, threads, pair):
        conf.write_text(
            f"bench:\n  listen: 127.0.0.1:{port}\n  redis: true\n  backlog: {BACKLOG}\n"
            f"  servers:\n   - 127.0.0.1:{bed.primary}:1\n"
        )
        return [
            self.path, "-c", conf, "-a", "127.0.0.1", "-s", free_port(),
            "-p", conf.with_suffix(".pid"), "-o", conf.with_suffix(".out"),
        ]


class Envoy(Target):
    """As a TCP proxy. Its Redis filter knows no subscriptions and no blocking calls."""

    name = "Envoy"
    knows_tls = True

    def command(self, bed, port, conf, threads, pair):
        def at(number):
            return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

        proxy = {
            "@type": "type.googleapis.com/"
                     "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "redis", "cluster": "redis",
        }
        limits = {"max_connections": CONNECTIONS_MAX, "max_pending_requests": CONNECTIONS_MAX}
        endpoint = {"endpoint": {"address": at(bed.primary)}}
        filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
        conf.write_text(json.dumps({"static_resources": {
            "listeners": [{
                "name": "redis", "address": at(port), "tcp_backlog_size": BACKLOG,
                "filter_chains": [{"filters": filters} | (self.socket(pair) if pair else {})],
            }],
            "clusters": [{
                "name": "redis", "type": "STATIC", "connect_timeout": "5s",
                "circuit_breakers": {"thresholds": [limits]},
                "load_assignment": {
                    "cluster_name": "redis", "endpoints": [{"lb_endpoints": [endpoint]}],
                },
            }],
        }}))
        return [
            self.path, "-c", conf, "--disable-hot-restart", "-l", "error",
            "--concurrency", threads or os.cpu_count(),
        ]

    def socket(self, pair):
        certificate = {
            "certificate_chain": {"filename": str(pair.cert)},
            "private_key": {"filename": str(pair.key)},
        }
        context = {
            "@type": "type.googleapis.com/"
                     "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificates": [certificate]},
        }
        return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


class Floor(Target):
    """No proxy, but what none of this design can be faster than; it only knows the rows of GET 32 B."""

    name = "floor"

    def __init__(self):
        super().__init__(FLOOR)

    def version(self):
        return "counts bytes"

    def command(self, bed, port, conf, threads, pair):
        return [self.path, "--listen", f"127.0.0.1:{port}", "--server", f"127.0.0.1:{bed.primary}"]


class Steadfast(Target):
    knows_tls = True

    def __init__(self, name, path, flags):
        super().__init__(path)
        self.name = name
        self.flags = flags

    def command(self, bed, port, conf, threads, pair):
        listen = ["--listen", f"127.0.0.1:{port}"]
        if pair:
            listen = [
                "--listen-tls", f"127.0.0.1:{port}", "--listen", "127.0.0.1:0",
                "--listen-tls-cert-file", pair.cert, "--listen-tls-key-file", pair.key,
            ]
        return [
            self.path, "run", "--sentinel", f"127.0.0.1:{bed.sentinel}",
            "--primary-name", PRIMARY_NAME, *listen,
            "--admin-listen", "127.0.0.1:0",
            *(["--workers", threads] if threads else []), *self.flags,
        ]


def has_pool(path, pool):
    """Asks the program itself: it refuses a value it does not know before it prints any help."""
    asked = subprocess.run(
        [path, "run", "--pool", pool, "--help"], capture_output=True, stdin=subprocess.DEVNULL,
    )
    return asked.returncode == 0


def steadfast(pool):
    if not BINARY.exists():
        raise SystemExit("needs target/release/steadfast: make build")
    if not has_pool(BINARY, pool):
        return None, f"this build of Steadfast has no --pool {pool}: its column is missing"
    return Steadfast(pool, BINARY, ["--pool", pool]), None


def floor():
    if not FLOOR.exists():
        return None, "floor is not built (cargo build --release --example floor): its column is missing"
    return Floor(), None


def peer(kind, binary):
    found = program(binary)
    if not found:
        return None, f"{kind.name} is not installed (tests/setup.sh peers): its column is missing"
    return kind(found), None


BY_NAME = {
    "direct": lambda: (Direct(), None),
    "haproxy": lambda: peer(HAProxy, "haproxy"),
    "envoy": lambda: peer(Envoy, "envoy"),
    "twemproxy": lambda: peer(Twemproxy, "nutcracker"),
    "floor": floor,
    "session": lambda: steadfast("session"),
    "shared": lambda: steadfast("shared"),
}


def own_build(name, command):
    """`NAME=PATH` or `NAME=PATH FLAGS`: any build of Steadfast, as its own column."""
    path, *flags = shlex.split(command)
    path = Path(path).resolve()
    if not os.access(path, os.X_OK):
        raise SystemExit(f"--targets: {path} is no program")
    return Steadfast(name, path, flags), None


def choose(wanted):
    """The targets of `--targets`, and a note for each that cannot be had."""
    targets, notes = [], []
    for word in wanted.split(","):
        name, is_build, command = word.strip().partition("=")
        if not is_build and name not in BY_NAME:
            raise SystemExit(f"--targets: {name} is none of {', '.join(BY_NAME)}, NAME=PATH")
        target, note = own_build(name, command) if is_build else BY_NAME[name]()
        if target:
            targets.append(target)
        if note:
            notes.append(note)
    if len({target.name for target in targets}) < max(len(targets), 1):
        raise SystemExit("--targets: needs at least one, and each name once")
    return targets, notes
