"""A rolling restart that no application notices: two Steadfasts behind an L4 balancer that asks /readyz,
each of them stopped by SIGTERM and replaced in turn, while 25 clients of redis-py with its defaults and 25
PHP programs that connect for every request are at work. Each counts up a key of its own, so that a command
that was lost or executed twice shows, whoever was told what.

Runs in front of the deployment of tests/clients/run.sh (SENTINELS, STEADFAST_ADDR). What it needs besides
the clients is Python alone.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "failover"))

import redis  # noqa: E402
from balancer import Balancer  # noqa: E402
from bed import BedError, die_with_parent, wait_for  # noqa: E402

INSTANCES = 2
OF_EACH_KIND = 25
# Requests each client makes before anything is done, and again after each change.
CALM = 20
# Longer than the balancer needs to notice, by far.
DRAIN_DELAY = 3
LIMIT = 60
# The balancer itself may be kept from running; then a try shows nothing.
TRIES = 3
SAMPLE = 5


class Instance:
    """One Steadfast, which the balancer knows."""

    def __init__(self, folder, number, balancer):
        self.log = folder / f"steadfast-{number}.log"
        command = [
            os.environ["STEADFAST"], f"--sentinel={os.environ['SENTINELS']}",
            f"--primary-name={os.environ['PRIMARY_NAME']}", "--listen=127.0.0.1:0",
            "--admin-listen=127.0.0.1:0", f"--drain-delay={DRAIN_DELAY}s",
            f"--drain-timeout={LIMIT}s", "--log-format=json",
        ]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=log, preexec_fn=die_with_parent
            )
        ports = wait_for("the ports", lambda: self.ports())
        self.backend = balancer.add(*ports)
        wait_for("readiness", lambda: self.backend.well)

    def events(self, name):
        """The fields of every log line of that event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]
        fields = [line.get("fields", line) for line in lines]
        return [one for one in fields if one.get("event") == name]

    def ports(self):
        """Where it listens, for clients and for whoever asks how it is; none before it does."""
        found = {one["listener"]: one["address"] for one in self.events("listening")}
        if len(found) == 2:
            return [int(found[name].rpartition(":")[2]) for name in ("clients", "admin")]
        return None

    def retire(self, balancer):
        """Stops it as Kubernetes does; what was wrong with its end."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            yield f"after {LIMIT} s it had not ended"
            return
        balancer.remove(self.backend)
        begun, ended = self.events("stopping"), self.events("stopped")
        if code or not ended or ended[0]["cut"]:
            yield f"exit {code}, {ended}"
        elif not begun[0]["clients"]:
            yield "it had no clients"


class Crowd:
    """All programs at work."""

    def __init__(self, port):
        self.keys = [f"roll:{kind}:{n}" for kind in ("py", "php") for n in range(OF_EACH_KIND)]
        of_python, of_php = self.keys[:OF_EACH_KIND], self.keys[OF_EACH_KIND:]
        host, _, own = os.environ["STEADFAST_ADDR"].rpartition(":")
        self.primary = redis.Redis(host, int(own))
        self.primary.delete(*self.keys)
        self.programs = [self.start([sys.executable, "redis_py.py"], port, *of_python)]
        self.programs += [self.start(["php", "phpredis.php"], port, key) for key in of_php]

    def start(self, program, *arguments):
        """One program, told to stop by the end of its input."""
        return subprocess.Popen(
            [program[0], HERE / program[1], *map(str, arguments)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
        )

    def counted(self):
        """What the primary has, for each key."""
        return [int(value or 0) for value in self.primary.mget(self.keys)]

    def wait_served(self):
        """Until each client was served a number of times more."""
        before = self.counted()

        def enough():
            if any(program.poll() is not None for program in self.programs):
                raise BedError("a program has ended")
            return all(now >= then + CALM for now, then in zip(self.counted(), before))

        wait_for("every client to be served", enough, LIMIT)

    def stop(self):
        """Ends the load; every error, and every number that is not what the primary has."""
        results = [json.loads(program.communicate(timeout=LIMIT)[0]) for program in self.programs]
        told = {key: count for result in results for key, count in result["told"].items()}
        yield from (error for result in results for error in result["errors"])
        for key, count in zip(self.keys, self.counted()):
            if told.get(key) != count:
                yield f"{key}: told {told.get(key)}, counted {count}"
        self.total = sum(told.values())

    def end(self):
        """Whatever is left of it."""
        for program in self.programs:
            program.kill()
            program.wait()


def roll(folder):
    """One whole restart under load: what went wrong, and whether the balancer could see."""
    balancer = Balancer()
    instances = [Instance(folder, number, balancer) for number in range(INSTANCES)]
    crowd = Crowd(balancer.port)
    complaints = []
    try:
        crowd.wait_served()
        for number in range(INSTANCES):
            complaints += instances[number].retire(balancer)
            instances[number] = Instance(folder, INSTANCES + number, balancer)
            crowd.wait_served()
        complaints += crowd.stop()
    finally:
        crowd.end()
        for instance in instances:
            instance.process.kill()
            instance.process.wait()
    complaints += balancer.turned_away
    print(f"{crowd.total} requests of {len(crowd.keys)} clients, {len(complaints)} errors")
    return complaints, balancer.longest_blindness < DRAIN_DELAY


def main():
    """The exit status."""
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory() as folder:
            complaints, could_see = roll(pathlib.Path(folder))
        if could_see or not complaints:
            break
        print("the balancer was kept from running for longer than the drain delay: once more")
    for complaint in complaints[:SAMPLE]:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
