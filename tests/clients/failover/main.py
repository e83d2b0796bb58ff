"""Runs unchanged client programs through Steadfast while the primary changes, and judges each.

    main.py [--scenario calm|planned|crash|refused|closed]... [--apart] [PROGRAM...]

One line for each program and scenario: `ok` or `FAILED`, then the facts as JSON. Exits with 1 if
any failed. With `--apart` each program has the deployment for itself. README.md tells the scenarios.
"""

import argparse
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

from bed import Bed, BedError, connect, die_with_parent
from judge import judge

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = [
    "redis_py_sync.py",
    "redis_py_asyncio.py",
    "redis_py_pubsub.py",
    "celery_load.py",
    "phpredis.php",
    "php_sessions.php",
    "ioredis.cjs",
    "node_redis.cjs",
    "bullmq.cjs",
    "impatient.py",
]
INTERPRETERS = {".py": sys.executable, ".php": "php", ".cjs": "node"}
FLAGS = {
    "calm": [],
    "planned": [],
    "crash": [],
    "refused": ["--hold-timeout=200ms"],
    "closed": ["--on-uncertain=close"],
}
FAULTS = {
    "calm": Bed.stay,
    "planned": Bed.plan_failover,
    "crash": Bed.crash,
    "refused": Bed.crash,
    "closed": Bed.crash,
}
DEFAULT_SCENARIOS = ["planned", "crash", "refused", "closed"]
# Only for those whom an error reply ends.
CLOSED_PROGRAMS = ["celery_load.py"]
READY_LIMIT = 90
RESULT_LIMIT = 150
# Every program shows its steady state for this long before anything is done to the primary.
CALM = 0.5


class Program:
    """One client program under way, talked to by lines of JSON."""

    def __init__(self, name, bed):
        self.name = name
        self.buffer = b""
        self.result = None
        folder = bed.folder / name
        folder.mkdir()
        self.log = folder / "stderr.log"
        environment = os.environ | {"STEADFAST_PORT": str(bed.port), "PROGRAM_FOLDER": str(folder)}
        path = HERE / "programs" / name
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [INTERPRETERS[path.suffix], str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def wait_for(self, event, deadline):
        """The next message, which must be of that kind; None when it does not come."""
        output = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            # What is there already counts, also when others used up the time.
            left = max(0, deadline - time.monotonic())
            if not select.select([output], [], [], left)[0]:
                return None
            data = os.read(output, 1 << 20)
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        try:
            message = json.loads(line)
        except ValueError:
            return None
        return message if message.get("event") == event else None

    def stop(self):
        """Tells it to end its load."""
        try:
            self.process.stdin.write(b"stop\n")
            self.process.stdin.flush()
        except OSError:
            pass  # It has ended, which shows when its result is missing.

    def end(self):
        """Ends it with everything it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def play(scenario, names, folder):
    """One deployment, one fault, these programs; yields each one's complaints and facts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Bed(folder, FLAGS[scenario]) as bed:
        programs = []
        try:
            programs.extend(Program(name, bed) for name in names)
            yield from watch(scenario, programs, bed)
        finally:
            for program in programs:
                program.end()


def watch(scenario, programs, bed):
    """The story of one scenario."""
    deadline = time.monotonic() + READY_LIMIT
    late = [one for one in programs if not one.wait_for("ready", deadline)]
    for program in late:
        yield program.name, [f"was not ready in {READY_LIMIT} s; see {program.log}"], {}
    time.sleep(CALM)
    fault_at = FAULTS[scenario](bed)
    for program in programs:
        program.stop()
    deadline = time.monotonic() + RESULT_LIMIT
    for program in programs:
        if program not in late:
            program.result = program.wait_for("result", deadline)
    with connect(bed.primary()) as primary:
        for program in programs:
            if program.result:
                verdict = judge(scenario, fault_at, program.result, primary)
                yield program.name, verdict.complaints, verdict.facts
            elif program not in late:
                yield program.name, [f"gave no result; see {program.log}"], {}
    yield "steadfast", [], bed.status()["totals"]


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", action="append", choices=sorted(FLAGS))
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--logs", default="target/failover-clients", type=pathlib.Path)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM")
    options = parser.parse_args()
    if unknown := set(options.programs) - set(PROGRAMS):
        parser.error(f"no such program: {', '.join(unknown)}")
    return options


def main():
    """Every scenario asked for; the exit status."""
    options = parse()
    # A killed harness takes its own way out, so that the bed and the programs end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    failed = 0
    for scenario in options.scenario or DEFAULT_SCENARIOS:
        usual = CLOSED_PROGRAMS if scenario == "closed" else PROGRAMS
        names = options.programs or usual
        groups = [[name] for name in names] if options.apart else [names]
        for number, group in enumerate(groups):
            folder = options.logs.resolve() / f"{scenario}-{number}"
            try:
                for name, complaints, facts in play(scenario, group, folder):
                    failed += bool(complaints)
                    word = "FAILED" if complaints else "ok    "
                    print(word, scenario, name, json.dumps(facts), flush=True)
                    for complaint in complaints:
                        print("       ", complaint, flush=True)
            except BedError as error:
                failed += 1
                print("FAILED", scenario, error, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
