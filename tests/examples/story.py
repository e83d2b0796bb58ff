"""The story every example is tried in: calm, a planned failover, calm again, a crash.

A check starts the example's application, gives it users and plays the story. What the users saw is
counted for each act and judged here: nothing at all may go wrong until the crash, and in the crash
only what Steadfast's promises allow. What the applications do, only their checks know.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

from bed import Bed, BedError, die_with_parent, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOGS = ROOT / "target" / "examples"
PACE = 0.01
# So many rounds of every user show that the application works.
ENOUGH = 10
# Well beyond the hold time: a user who has not gone on by then never will.
PATIENCE = 60
# Answers already under way when the primary died may be read this much later.
SETTLE = 0.3
SAMPLE = 3
# Longer than by default (15 s here), shorter than the clients' own timeouts: a machine so busy that
# nothing runs for a while fails no check.
os.environ.setdefault("STEADFAST_HOLD_TIMEOUT", "25s")


class Uncertain(Exception):
    """The application told its user that it cannot know whether something was done."""


class User:
    """One user, on a thread of its own: one round after the other, each one request at most."""

    pace = PACE

    def __init__(self, story, name):
        self.story = story
        self.name = name
        self.rounds = 0
        self.last = None
        self.thread = threading.Thread(target=self._live, daemon=True)

    def round(self):
        """One thing the user does; raises `Uncertain`, or whatever else went wrong."""
        raise NotImplementedError

    def leave(self):
        """The user's last act, when the story is over."""

    def _live(self):
        while not self.story.over.wait(self.pace):
            try:
                self.round()
                self._went_well()
            except Uncertain as told:
                self.story.note("uncertain", told)
            except Exception as error:
                self.story.note("errors", f"{type(error).__name__}: {error}")
        self.leave()

    def _went_well(self):
        now = time.monotonic()
        self.story.note("ok", pause=now - (self.last or now))
        self.last = now
        self.rounds += 1


class Story:
    """One example's application and its users, on one deployment or several."""

    def __init__(self, name, beds):
        self.name = name
        self.beds = beds
        self.users = []
        self.over = threading.Event()
        self.act = "calm"
        self.crashed_at = float("inf")
        self.counts = {act: Counter() for act in ("calm", "planned", "crash")}
        self.pauses = dict.fromkeys(self.counts, 0.0)
        self.samples = []
        self.complaints = []
        self.lock = threading.Lock()

    def note(self, what, detail=None, act=None, pause=0.0):
        """Counts one thing in the present act, or in another one."""
        act = act or self.act
        with self.lock:
            self.counts[act][what] += 1
            self.pauses[act] = max(self.pauses[act], pause)
            if detail is not None and self.counts[act][what] <= SAMPLE:
                self.samples.append(f"{act}: {what}: {detail}"[:300])

    def lost(self, acknowledged_at, detail):
        """Something acknowledged is gone, which nobody promises of what only the dying primary had."""
        promised = acknowledged_at > self.crashed_at + SETTLE
        self.note("lost_after_switch" if promised else "lost", detail)

    def expect(self, holds, complaint):
        """Notes a complaint unless it holds."""
        if not holds:
            self.complaints.append(complaint)

    def play(self, *users):
        """The whole story, from the first user's arrival to the last one's leave."""
        self.users = users
        for user in users:
            user.thread.start()
        self._see_them_go_on()
        if not self.complaints:
            self._fail_over()
        self.over.set()
        for user in users:
            user.thread.join(PATIENCE)

    def _fail_over(self):
        self.act = "planned"
        for bed in self.beds:
            bed.plan_failover()
            self._see_them_go_on()
        for bed in self.beds:
            bed.settle()
        self.act = "crash"
        for bed in self.beds:
            self.crashed_at = float("inf")
            self.crashed_at = bed.crash()
            self._see_them_go_on()

    def _see_them_go_on(self):
        goals = [(user, user.rounds + ENOUGH) for user in self.users]

        def waited_for():
            return [user.name for user, goal in goals if user.rounds < goal]

        try:
            wait_for("the users", lambda: not waited_for(), PATIENCE)
        except BedError:
            self.complaints.append(f"{self.act}: did not go on: {', '.join(waited_for())}")

    def judge(self, in_flight):
        """Prints the counts; the exit status. In a crash `in_flight` commands can be uncertain."""
        for act, count in self.counts.items():
            self.expect(count["ok"], f"{act}: nothing went well")
            for what in ("errors", "twice", "lost_after_switch"):
                self.expect(not count[what], f"{act}: {what}: {count[what]}")
            if act != "crash":
                for what in ("uncertain", "lost"):
                    self.expect(not count[what], f"{act}: {what}: {count[what]}")
            told = {what: count[what] for what in ("ok", "errors", "uncertain", "lost", "twice")}
            told |= {what: number for what, number in count.items() if what not in told}
            told["longest_pause_ms"] = round(self.pauses[act] * 1000)
            print(f"{self.name:12} {act:8} {json.dumps(told)}", flush=True)
        most = in_flight * len(self.beds)
        uncertain = self.counts["crash"]["uncertain"]
        self.expect(uncertain <= most, f"crash: {uncertain} uncertain, at most {most} were in flight")
        for complaint in self.complaints:
            print("WRONG:", complaint)
        for sample in self.samples if self.complaints else ():
            print("  ", sample)
        return 1 if self.complaints else 0

    def compare(self, accepted, done):
        """Things accepted, as (value, time, act), against the list of those done."""
        count = Counter(done)
        for value, at, act in accepted:
            if count[value] == 0:
                promised = at > self.crashed_at + SETTLE
                self.note("lost_after_switch" if promised else "lost", value, act)
            elif count[value] > 1:
                self.note("twice", value, act)


def start_logs(name):
    """A fresh folder for the logs of a check, which from here on takes what it started with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = LOGS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def deployments(name, **settings):
    """One bed for each keyword, whose value is its servers' settings."""
    folder = start_logs(name)
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Bed(folder / one, (), lines)) for one, lines in settings.items()]


def answers(port):
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def running(name, example, command, **environment):
    """A program of an example, from its own folder, with a log in target/examples/EXAMPLE."""
    log = LOGS / example / f"{name}.log"
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT / "examples" / example,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )
    process.log = log
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE / 6)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
