"""A Celery worker with its defaults under a supervisor that starts it again whenever it ends."""

import ctypes
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

CHILDREN = 2
END_LIMIT = 10
POLL = 0.05
PR_SET_PDEATHSIG = 1
TROUBLE = re.compile(r": (WARNING|ERROR|CRITICAL)/|Connection to broker lost|Unrecoverable|^redis\.")
LINE_LENGTH = 200


def die_with_parent():
    """In the child: a worker must not outlive this program, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Worker:
    """The worker's process, one after another if need be, all writing to one log."""

    def __init__(self, folder):
        self.log = folder / "worker.log"
        self.ends = 0
        self.ending = threading.Event()
        self.children_at_first = []
        self.process = None
        self.thread = threading.Thread(target=self._supervise, daemon=True)
        self.thread.start()

    def _supervise(self):
        while not self.ending.is_set():
            self.process = self._start()
            while self.process.poll() is None and not self.ending.wait(POLL):
                pass
            self.ends += not self.ending.is_set()
        self._end()

    def _start(self):
        """As the manual starts it; few children suffice."""
        command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-c", str(CHILDREN)]
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                [*command, "--loglevel", "INFO"],
                cwd=pathlib.Path(__file__).parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    def _end(self):
        """A warm shutdown, bounded."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def end(self):
        """Ends the worker and its supervisor."""
        self.ending.set()
        self.thread.join(END_LIMIT * 2)

    def children(self):
        """Process ids of the worker's children."""
        pid = self.process.pid
        path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        return sorted(path.read_text().split()) if path.exists() else []

    def note_children(self):
        """Those of a worker that has begun to work are expected to stay."""
        self.children_at_first = self.children()

    def report(self):
        """For the result."""
        lines = self.log.read_text(errors="replace").splitlines()
        replaced = set(self.children_at_first) - set(self.children())
        return {
            "worker_ends": self.ends,
            "children_replaced": len(replaced),
            "worker_log": [line[:LINE_LENGTH] for line in lines if TROUBLE.search(line)][:20],
        }


def wait_until(condition, end):
    """Polls until the condition holds, or until then."""
    while not condition() and time.time() < end:
        time.sleep(POLL)
