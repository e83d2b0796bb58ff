"""The processes a measurement needs, and what is read about them from outside.

It knows how to start, watch and end a process and how to ask the server; what is started in front of
the server is said in targets.py, and what is measured in loads.py.
"""

import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATOR = ROOT / "target/release/examples/load"
PRIMARY_NAME = "bench"
KEY = "key:__rand_int__"  # what redis-benchmark's GET asks for when no -r is given
USER, PASSWORD = "app", "secret"
START_LIMIT = 15.0
RUN_LIMIT = 120.0  # a benchmark waits for ever when a connection is refused
TICKS = os.sysconf("SC_CLK_TCK")
BACKLOG = 4096
SERVER_CLIENTS = 12_000
SPARE_DESCRIPTORS = 200


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(*names):
    """The first of these programs there is, on the path or among the tools of tests/setup.sh."""
    path = f"{os.environ.get('PATH', '')}:{ROOT / 'target/tools/bin'}"
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def raise_descriptor_limit():
    """Takes what descriptors may be had and returns how many clients a proxy can serve with them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return (hard - SPARE_DESCRIPTORS) // 2


class Instance:
    """Something that serves on a port; pid is 0 for the server itself, which is no proxy."""

    def __init__(self, port, child=None):
        self.port = port
        self.child = child

    @property
    def pid(self):
        return self.child.pid if self.child else 0

    def pids(self):
        """Its process and those it has started."""
        found = [self.pid] if self.pid else []
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found.extend(map(int, (task / "children").read_text().split()))
        return found

    def cpu_seconds(self):
        return sum(cpu_seconds(pid) for pid in self.pids())

    def rss_kib(self):
        return sum(rss_kib(pid) for pid in self.pids())


def cpu_seconds(pid):
    """Of all threads, those that have ended too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_kib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    return 0


class Pair:
    """A certificate that nobody vouches for, its key, and both in one file as HAProxy wants them."""

    def __init__(self, home):
        self.cert, self.key, self.both = (home / name for name in ("cert.pem", "key.pem", "both.pem"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", self.key, "-out", self.cert],
            check=True, capture_output=True, stdin=subprocess.DEVNULL,
        )
        self.both.write_text(self.cert.read_text() + self.key.read_text())


class Server:
    """A connection to the server that stays open, so that asking does not count as connecting."""

    def __init__(self, port):
        self.link = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.replies = self.link.makefile("rb")

    def ask(self, *args):
        parts = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]
        frame = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.link.sendall(b"*%d\r\n%s" % (len(parts), frame))
        line = self.replies.readline()
        if line.startswith(b"-") or not line:
            raise SystemExit(f"the server refuses {args[0]}: {line.decode().strip()}")
        if line.startswith(b"$"):
            return self.replies.read(int(line[1:]) + 2).decode(errors="replace")
        return line[1:].decode().strip()

    def connections_received(self):
        for line in self.ask("INFO", "stats").splitlines():
            if line.startswith("total_connections_received:"):
                return int(line.split(":")[1])
        raise SystemExit("the server does not count its connections")

    def store(self, length, key=KEY):
        self.ask("SET", key, b"v" * length)


class Bed:
    """A server, a Sentinel that watches it, and whatever is started in front; all end with it."""

    def __init__(self, home, load_generator):
        self.home = Path(home)
        self.generator = Path(load_generator).resolve()
        server = program("valkey-server", "redis-server")
        self.children = []
        self.pair = Pair(self.home)
        self.primary, self.primary_tls, self.sentinel = free_port(), free_port(), free_port()
        self.start("server", self.primary, [
            server, "--port", self.primary, "--bind", "127.0.0.1", "--save", "",
            "--appendonly", "no", "--tcp-backlog", BACKLOG, "--maxclients", SERVER_CLIENTS,
            "--tls-port", self.primary_tls, "--tls-auth-clients", "no",
            "--tls-cert-file", self.pair.cert, "--tls-key-file", self.pair.key,
            "--tls-ca-cert-file", self.pair.cert,
        ])
        self.server = Server(self.primary)
        self.server.ask("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
        conf = self.home / "sentinel.conf"
        conf.write_text(
            f"port {self.sentinel}\nbind 127.0.0.1\n"
            f"sentinel monitor {PRIMARY_NAME} 127.0.0.1 {self.primary} 1\n"
            f"sentinel down-after-milliseconds {PRIMARY_NAME} 60000\n"
        )
        self.start("sentinel", self.sentinel, [server, conf, "--sentinel"])

    def start(self, name, port, args, secured=False):
        env = {key: os.environ[key] for key in os.environ if not key.startswith("STEADFAST_")}
        log_path = self.home / f"{name}.log"
        with open(log_path, "wb") as log:
            child = subprocess.Popen(
                [str(arg) for arg in args], cwd=self.home, env=env,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.children.append(child)
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and child.poll() is None:
            if answers(port, secured):
                return Instance(port, child)
            time.sleep(0.02)
        tail = log_path.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{name} does not serve:\n{tail}")

    def end(self, child):
        child.kill()
        child.wait(timeout=START_LIMIT)
        self.children.remove(child)

    def close(self):
        for child in list(self.children):
            self.end(child)


def answers(port, secured):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link = unverified().wrap_socket(link) if secured else link
            link.sendall(b"*1\r\n$4\r\nPING\r\n")  # twemproxy knows no inline commands
            return link.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def unverified():
    """TLS as the benchmark speaks it: whom it talks to is known."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Failed(Exception):
    """A measurement that could not be made, with the reason."""


@contextmanager
def generator(bed, mode, port, **options):
    """Our load generator, connected and warm; call what this gives to run it and have its figures."""
    args = [bed.generator, mode, "--addr", f"127.0.0.1:{port}", "--key", KEY]
    for name, value in options.items():
        args += [f"--{name}", value]
    child = subprocess.Popen(
        [str(arg) for arg in args], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    bed.children.append(child)

    def expect_line():
        line = child.stdout.readline()
        if not line:
            raise Failed(child.stderr.read().strip()[-300:] or "the generator ended")
        return line

    def run():
        child.stdin.write("go\n")
        child.stdin.flush()
        return json.loads(expect_line())

    try:
        expect_line()
        yield run
    finally:
        bed.end(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            pipe.close()
