"""A Steadfast that was set up as the README says, brought up without the machine's own ports: it must serve
the primary, and pass the probes that were written for it.

It deliberately knows nothing of how it was set up: whoever starts it says that.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import redis

LIMIT = 60
PACE = 0.05
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
# They win over whatever file says otherwise; which ports these are, the log says.
ANY_PORT = {
    "STEADFAST_LISTEN": "127.0.0.1:0",
    "STEADFAST_ADMIN_LISTEN": "127.0.0.1:0",
    "STEADFAST_LOG_FORMAT": "json",
}


def first_sentinel():
    """Host and port of one Sentinel of the bed; the others are learned from it."""
    host, _, port = os.environ["SENTINELS"].split(",")[0].rpartition(":")
    return host, port


def wait_for(what, condition, told=lambda: ""):
    """Polls until the condition holds."""
    end = time.monotonic() + LIMIT
    while not (answer := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"waited {LIMIT} s for {what}\n{told()}")
        time.sleep(PACE)
    return answer


class Started:
    """One that runs."""

    def __init__(self, command, environment, folder, **more):
        self.log = pathlib.Path(folder) / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, env={**environment, **ANY_PORT}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=lambda: LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
                **more,
            )
        self.client_port, self.admin_port = wait_for("the ports", self._ports, self.log.read_text)

    def _ports(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.process.args} ended: {self.log.read_text()}")
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        fields = [line.get("fields", line) for line in lines]
        found = {one["listener"]: one["address"] for one in fields if one.get("event") == "listening"}
        if len(found) == 2:
            return [int(found[name].rpartition(":")[2]) for name in ("clients", "admin")]
        return None

    def passes(self, path):
        """Whether that probe answers 200."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=LIMIT) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def serves(self):
        """Waits until what is written can be read, at the bed's own primary."""
        wait_for("readiness", lambda: self.passes("/readyz"), self.log.read_text)
        with redis.Redis("127.0.0.1", self.client_port) as ours:
            assert ours.set("readme:started", "1")
        host, _, port = os.environ["STEADFAST_ADDR"].rpartition(":")
        with redis.Redis(host, int(port)) as beds:
            assert beds.delete("readme:started") == 1, "another primary was written to"

    def passes_all(self, container):
        """Waits until every probe of a container passes; there must be the two that each needs."""
        probes = {name: container[name]["httpGet"] for name in container if name.endswith("Probe")}
        assert {"startupProbe", "livenessProbe"} <= probes.keys(), probes.keys()
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for name, probe in probes.items():
            assert ports[probe["port"]] == 9379, f"{name} asks at {probe['port']}"
            wait_for(name, lambda path=probe["path"]: self.passes(path), self.log.read_text)


@contextlib.contextmanager
def started(command, environment, **more):
    """Starts it, and ends it with all it has started."""
    with tempfile.TemporaryDirectory() as folder:
        one = None
        try:
            one = Started(command, environment, folder, **more)
            yield one
        finally:
            if one:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(one.process.pid, signal.SIGKILL)
                one.process.wait()


def in_pod(container, config_map):
    """Runs the container as a pod would: with its variables, those of the ConfigMap it names, and those of
    the image, but for addresses that belong to a cluster."""
    sources = [source["configMapRef"]["name"] for source in container["envFrom"]]
    assert sources == [config_map["metadata"]["name"]], sources
    given = dict(config_map["data"])
    assert given.keys() == {"VALKEY_SENTINEL_HOST", "VALKEY_SENTINEL_PORT"}, given
    host, port = first_sentinel()
    given |= {"VALKEY_SENTINEL_HOST": host, "VALKEY_SENTINEL_PORT": port}
    given |= {one["name"]: one["value"] for one in container.get("env", [])}
    command = [os.environ["STEADFAST"], *container.get("args", [])]
    return started(command, given)


@contextlib.contextmanager
def stand_ins(**scripts):
    """A folder with programs of these names to come first in PATH: for those a test cannot have run, and
    that write down what they were told in `told` beside them."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for program, script in scripts.items():
            path = folder / program
            path.write_text(f'#!/bin/sh\ntold={folder}/told\n{script}\n')
            path.chmod(0o755)
        (folder / "told").touch()
        yield folder


def without_make(environment=os.environ):
    """The environment without what a make that runs us has put there, and with no compiler behind `make
    build`: the program is there already."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return {**kept, "CARGO": "true", "BINARY": environment["STEADFAST"]}
