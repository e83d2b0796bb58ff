#!/usr/bin/env python3
"""What a failover costs clients behind Steadfast, and behind proxies set up as people set them up.

Each gets a deployment of its own: a primary, two replicas, three Sentinels. Eight writers append numbers
to lists of their own, one command at a time, and connect again whenever they are cut off; a subscriber
and a blocked BLPOP stay where they are. The primary is changed by SENTINEL FAILOVER, or killed. At the
end the lists are read where the Sentinels say the primary is: what was acknowledged and is not there is
lost, what is there more often than it was sent was executed twice.

Needs what `tests/setup.sh clients` and `tests/setup.sh peers` install:

    target/tools/venv/bin/python benches/failover.py --rounds 3

HAProxy and Envoy know no Sentinel: they ask every node for its role twice a second, as their users have
them do. twemproxy cannot follow a failover at all.
"""

import argparse
import importlib.util
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from bed import ROOT, Server, program

WRITERS = 8
CALM = 1.0  # seconds before and after
SETTLED = 8.0  # seconds from the order, or the crash, to the reading of the lists, at least
DEMOTED_LIMIT = 60.0
RETRY_PAUSE = 0.02
HEARD_LIMIT = 5.0
CHECK_MS = 500


def deployment():
    """The bed of the tests with real clients; its module has the name of ours."""
    path = ROOT / "tests/clients/failover/bed.py"
    spec = importlib.util.spec_from_file_location("deployment", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


beds = deployment()


class Steadfast(beds.Bed):
    name = "Steadfast"

    def proxy_command(self):
        sentinels = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return [
            ROOT / "target/release/steadfast", f"--sentinel={sentinels}",
            f"--primary-name={beds.PRIMARY_NAME}", f"--listen=127.0.0.1:{self.port}",
        ]

    def _start_proxy(self):
        command = [str(part) for part in self.proxy_command()]
        self._spawn("proxy", command, self.folder / "proxy.log")
        beds.wait_for(self.name, lambda: beds.ask(self.port, "SET", "bed:ready", "1"))

    def wait_followed(self, old):
        beds.wait_for("a new primary", lambda: self.primary() not in (None, old), beds.SWITCH_LIMIT)
        # A Sentinel may leave it a primary for seconds: what is written there meanwhile is lost.
        if self.processes[old].poll() is None:
            beds.wait_for("the old primary", lambda: self.is_replica(old), DEMOTED_LIMIT)

    def is_replica(self, port):
        return (beds.ask(port, "ROLE") or [None])[0] == "slave"


class HAProxy(Steadfast):
    name = "HAProxy"
    sessions = ""

    def proxy_command(self):
        servers = "".join(
            f"  server s{port} 127.0.0.1:{port} check inter {CHECK_MS} fall 1 rise 1{self.sessions}\n"
            for port in self.nodes
        )
        conf = self.folder / "haproxy.conf"
        conf.write_text(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"listen redis\n  bind 127.0.0.1:{self.port}\n  option tcp-check\n"
            "  tcp-check send PING\\r\\n\n  tcp-check expect string +PONG\n"
            "  tcp-check send info\\ replication\\r\\n\n  tcp-check expect string role:master\n"
            f"{servers}"
        )
        return [program("haproxy"), "-db", "-f", conf]


class HAProxyCutting(HAProxy):
    """It ends the sessions of a server whose check fails."""

    name = "HAProxy, shutdown-sessions"
    sessions = " on-marked-down shutdown-sessions"


class Envoy(Steadfast):
    name = "Envoy"

    def proxy_command(self):
        def at(port):
            return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

        proxy = {
            "@type": "type.googleapis.com/"
                     "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "redis", "cluster": "redis",
        }
        check = {
            "timeout": "1s", "interval": f"{CHECK_MS / 1000}s",
            "no_traffic_interval": f"{CHECK_MS / 1000}s",
            "unhealthy_threshold": 1, "healthy_threshold": 1,
            "tcp_health_check": {
                "send": {"text": b"info replication\r\n".hex()},
                "receive": [{"text": b"role:master".hex()}],
            },
        }
        nodes = [{"endpoint": {"address": at(port)}} for port in self.nodes]
        conf = self.folder / "envoy.json"
        conf.write_text(json.dumps({"static_resources": {
            "listeners": [{
                "name": "redis", "address": at(self.port),
                "filter_chains": [{"filters": [
                    {"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy},
                ]}],
            }],
            "clusters": [{
                "name": "redis", "type": "STATIC", "connect_timeout": "1s",
                "health_checks": [check],
                "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
                "load_assignment": {"cluster_name": "redis", "endpoints": [{"lb_endpoints": nodes}]},
            }],
        }}))
        return [program("envoy"), "-c", conf, "--disable-hot-restart", "-l", "error"]


PROXIES = [Steadfast, HAProxy, HAProxyCutting, Envoy]


class Writer(threading.Thread):
    """Appends 1, 2, 3, ... to its list; a number that was not acknowledged is not tried again."""

    def __init__(self, port, number, stop):
        super().__init__(daemon=True)
        self.port, self.key, self.stop = port, f"list:{number}", stop
        self.acknowledged, self.errors, self.cut = [], 0, 0
        self.pause, self.last = 0.0, time.monotonic()

    def run(self):
        link, number = None, 0
        while not self.stop.is_set():
            number += 1
            try:
                link = link or Server(self.port)
                link.ask("RPUSH", self.key, number)
                self.note(number)
            except SystemExit:  # how Server tells an error reply, and a connection that ended
                if link and link.link.fileno() >= 0 and not self.is_cut(link):
                    self.errors += 1
                    continue
                link = self.lost()
            except (OSError, ValueError):
                link = self.lost()
        self.pause = max(self.pause, time.monotonic() - self.last)

    def is_cut(self, link):
        try:
            link.ask("PING")
            return False
        except (SystemExit, OSError, ValueError):
            return True

    def lost(self):
        self.cut += 1
        time.sleep(RETRY_PAUSE)

    def note(self, number):
        now = time.monotonic()
        self.pause, self.last = max(self.pause, now - self.last), now
        self.acknowledged.append(number)


class Listener(threading.Thread):
    """Waits on one connection for ever; knows what came, and whether it was cut off."""

    def __init__(self, port, *command):
        super().__init__(daemon=True)
        self.server = Server(port)
        self.server.link.settimeout(None)
        self.command, self.heard, self.cut = command, threading.Event(), False
        self.start()

    def run(self):
        parts = [part.encode() for part in self.command]
        frame = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.server.link.sendall(b"*%d\r\n%s" % (len(parts), frame))
        try:
            for line in self.server.replies:
                if b"afterwards" in line:
                    self.heard.set()
        except OSError:
            pass
        self.cut = True

    def verdict(self):
        if self.heard.wait(HEARD_LIMIT):
            return "goes on"
        return "cut off" if self.cut else "**hears nothing**"


def crash(bed, old):
    process = bed.processes[old]
    process.send_signal(signal.SIGKILL)
    process.wait()


def plan(bed, _):
    order = ("SENTINEL", "FAILOVER", beds.PRIMARY_NAME)
    beds.wait_for("a willing Sentinel", lambda: any(beds.ask(port, *order) for port in bed.sentinels))


def measure(proxy, fault):
    """One failover behind one proxy, as a dictionary of figures."""
    with tempfile.TemporaryDirectory(prefix="steadfast-failover-") as folder, proxy(folder) as bed:
        stop = threading.Event()
        subscriber = Listener(bed.port, "SUBSCRIBE", "news")
        popper = Listener(bed.port, "BLPOP", "jobs", "0")
        writers = [Writer(bed.port, number, stop) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(CALM)
        old = bed.primary()
        began = time.monotonic()
        fault(bed, old)
        bed.wait_followed(old)
        time.sleep(max(CALM, SETTLED - (time.monotonic() - began)))
        stop.set()
        for writer in writers:
            writer.join(30)
        ends = afterwards(bed, subscriber, popper)
        return tally(bed.primary(), writers) | ends


def afterwards(bed, subscriber, popper):
    """Whether those who waited hear what comes later, by whatever way it comes."""
    deadline = time.monotonic() + HEARD_LIMIT
    while time.monotonic() < deadline and not (subscriber.heard.is_set() and popper.heard.is_set()):
        beds.ask(bed.port, "PUBLISH", "news", "afterwards")
        if not popper.heard.is_set():
            beds.ask(bed.port, "RPUSH", "jobs", "afterwards")
        time.sleep(0.2)
    return {"subscriber": subscriber.verdict(), "popper": popper.verdict()}


def tally(primary, writers):
    lost = twice = 0
    for writer in writers:
        there = [int(number) for number in beds.ask(primary, "LRANGE", writer.key, 0, -1) or []]
        lost += len(set(writer.acknowledged) - set(there))
        twice += len(there) - len(set(there))
    return {
        "acknowledged": sum(len(writer.acknowledged) for writer in writers),
        "lost": lost, "twice": twice,
        "errors": sum(writer.errors for writer in writers),
        "cut": sum(writer.cut for writer in writers),
        "pause": max(writer.pause for writer in writers),
    }


def spread(samples, key, form="{:,.0f}"):
    figures = [sample[key] for sample in samples]
    low, middle, high = min(figures), statistics.median(figures), max(figures)
    middle = form.format(middle)
    return middle if low == high else f"{middle} ({form.format(low)} to {form.format(high)})"


def words(samples, key):
    return ", ".join(sorted({sample[key] for sample in samples}))


def table(title, results):
    heads = ["", "acknowledged and lost", "executed twice", "error replies", "connections cut",
             "longest pause, s", "subscriber", "blocked BLPOP"]
    lines = [heads, ["---"] * len(heads)]
    for name, samples in results.items():
        lines.append([
            name, *(spread(samples, key) for key in ("lost", "twice", "errors", "cut")),
            spread(samples, "pause", "{:.2f}"), words(samples, "subscriber"), words(samples, "popper"),
        ])
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"### {title}\n\n{rows}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", metavar="FILE", help="write the tables there, too")
    options = parser.parse_args()
    os.chdir(ROOT)
    chosen = [each for each in PROXIES if issubclass(each, HAProxy) <= bool(program("haproxy"))]
    chosen = [each for each in chosen if each is not Envoy or program("envoy")]
    text = []
    for title, fault in (("A planned failover", plan), ("A crash", crash)):
        results = {proxy.name: [] for proxy in chosen}
        for number in range(options.rounds):
            for proxy in chosen[number % len(chosen):] + chosen[:number % len(chosen)]:
                results[proxy.name].append(measure(proxy, fault))
                print(title, number + 1, proxy.name, results[proxy.name][-1], file=sys.stderr)
        text.append(table(f"{title}: {WRITERS} writers, {options.rounds} rounds", results))
    print("\n".join(text))
    if options.out:
        Path(options.out).write_text("\n".join(text))


if __name__ == "__main__":
    main()
