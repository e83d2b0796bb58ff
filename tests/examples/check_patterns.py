"""examples/patterns: every script at work at the same time, each asserting its own invariant at the end.

Redlock has a story of its own, on three primaries that are failed over and crash one after the other.
"""

import json
import os
import subprocess
import sys
import threading

from bed import die_with_parent
from story import LOGS, PATIENCE, ROOT, Story, deployments

EXAMPLE = "patterns"
SCRIPTS = {
    "cache_aside": 16,
    "sessions": 4,
    "rate_limit": 8,
    "pubsub": 2,
    "streams": 4,
    "lock": 6,
    "fencing": 4,
    "pool": 16,
}
REDLOCK_THREADS = 3
# The only server here that knows vector sets; it comes with `tests/setup.sh examples` where it can.
REDIS_8 = ROOT / "target" / "tools" / "bin" / "redis-server-8.2"


class Script:
    """One script under way: what it reports goes into the story."""

    def __init__(self, story, name, *urls):
        self.story = story
        self.name = name
        self.rounds = 0
        self.told = {}
        self.thread = threading.Thread(target=self._listen, args=[urls], daemon=True)

    def _listen(self, urls):
        with open(LOGS / EXAMPLE / f"{self.name}.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, f"{self.name}.py", *urls],
                cwd=ROOT / "examples" / EXAMPLE,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        threading.Thread(target=self._end, args=[process], daemon=True).start()
        for line in process.stdout:
            self._take(json.loads(line))
        self.story.expect(process.wait() == 0, f"{self.name}: ended with {process.returncode}")
        print(f"{self.name:12} {json.dumps(self.told)}", flush=True)

    def _end(self, process):
        self.story.over.wait()
        process.terminate()

    def _take(self, told):
        for what in ("ok", "errors", "uncertain"):
            detail = f"{self.name}: {told.get('last_error')}" if what != "ok" else None
            for _ in range(told[what] - self.told.get(what, 0)):
                self.story.note(what, detail)
        self.story.note("reports", pause=told["longest_pause_ms"] / 1000)
        self.rounds, self.told = told["ok"], told


def play(scripts, in_flight, name, **beds):
    """One story of some scripts; the exit status."""
    with deployments(name, **beds) as deployed:
        urls = [f"redis://127.0.0.1:{bed.port}" for bed in deployed]
        story = Story(name.partition("/")[2], deployed)
        story.play(*[Script(story, script, *urls) for script in scripts])
        return story.judge(in_flight)


def main():
    """The exit status."""
    scripts = dict(SCRIPTS)
    if REDIS_8.exists():
        os.environ["STEADFAST_TEST_SERVER"] = str(REDIS_8)
        scripts["vectors"] = 2
    else:
        print("without vectors.py: there is no Redis 8 here")
    failed = play(scripts, sum(scripts.values()), f"{EXAMPLE}/one", one=[])
    failed |= play(["redlock"], REDLOCK_THREADS, f"{EXAMPLE}/redlock", a=[], b=[], c=[])
    return failed


if __name__ == "__main__":
    sys.exit(main())
