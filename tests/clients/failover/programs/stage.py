"""What every Python program here shares: counting, and the talk with the harness.

A program prints `{"event": "ready"}` once each of its activities went well a few times. When the
harness writes a line to its standard input, each activity must go well a few times more; then the
program prints its result, one line of JSON, and ends. It judges nothing: it says what it saw.
"""

import json
import os
import re
import sys
import threading
import time

HOST = "127.0.0.1"
PORT = int(os.environ.get("STEADFAST_PORT", "0"))
PACE = 0.005
WARM = 5
LATE = 10
# Well beyond the hold time (15 s): an activity that has not gone on by then never will.
LATE_LIMIT = 25
LABEL_LENGTH = 90
NUMBER = re.compile(r"\d+")


def label(error):
    """A short name for an error: its class, and the server's first word or the message's start."""
    text = str(error)
    words = text.split(" ", 1)
    if words[0].isupper() and words[0].isalpha():
        text = words[0]
    return NUMBER.sub("N", f"{type(error).__name__}: {text}")[:LABEL_LENGTH]


class Activity:
    """One loop of a program: what went well, what was raised, which values are meant to be where."""

    def __init__(self, stage, name, in_flight):
        self.stage = stage
        self.name = name
        self.in_flight = in_flight
        self.oks = 0
        self.late = 0
        self.errors = {}
        self.acked = []
        self.failed = []
        self.longest = 0.0
        self.last = time.time()

    def ok(self, value=None):
        """One more success; `value` was acknowledged with it."""
        now = time.time()
        self.oks += 1
        self.late += self.stage.stopping.is_set()
        if self.oks > WARM:
            self.longest = max(self.longest, now - self.last)
        self.last = now
        if value is not None:
            self.acked.append([value, now])

    def error(self, error, value=None):
        """The library raised; `value` was to be written by that call."""
        name = label(error)
        self.errors[name] = self.errors.get(name, 0) + 1
        if value is not None:
            self.failed.append([value, name])

    def goes_on(self):
        """Whether the loop has more to do."""
        stage = self.stage
        if not stage.stopping.is_set():
            return True
        return self.late < LATE and time.time() < stage.stop_at

    def report(self):
        """As the harness reads it."""
        return {
            "ok": self.oks,
            "errors": self.errors,
            "in_flight": self.in_flight,
            "went_on": self.late > 0,
            "longest_pause_ms": round(self.longest * 1000),
            "acked": self.acked,
            "failed": self.failed,
        }


class Stage:
    """A program's activities and its talk with the harness."""

    def __init__(self):
        self.stopping = threading.Event()
        self.stop_at = float("inf")
        self.activities = []
        self.extra = {}
        self.conclude = dict

    def activity(self, name, in_flight=1):
        """A new activity, which has at most so many commands in flight."""
        activity = Activity(self, name, in_flight)
        self.activities.append(activity)
        return activity

    def warm(self):
        """Whether every activity has gone well a few times."""
        return all(activity.oks >= WARM for activity in self.activities)

    def listen(self):
        """Says so when warm, then waits for the harness to end the load."""
        while not self.warm():
            time.sleep(PACE)
        say({"event": "ready"})
        sys.stdin.readline()
        self.stop_at = time.time() + LATE_LIMIT
        self.stopping.set()

    def listen_aside(self):
        """The same on a thread of its own."""
        threading.Thread(target=self.listen, daemon=True).start()

    def play(self, *loops):
        """Runs each loop on a thread until the harness ends it, then prints the result."""
        threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
        self.listen_aside()
        for thread in threads:
            thread.start()
        self.stopping.wait()
        for thread in threads:
            thread.join(max(0, self.stop_at + LATE_LIMIT / 2 - time.time()))
        self.finish()

    def finish(self):
        """Prints the result, with whatever `conclude` of the program adds."""
        activities = {activity.name: activity.report() for activity in self.activities}
        say({"event": "result", "activities": activities, **self.extra, **self.conclude()})


def say(message):
    """One line to the harness."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
