"""A Celery worker with its defaults, and an application that sends it tasks and wants the results.

The worker is a process of its own. Whether it lives, with the same children, and what it logs at
WARNING and above, is part of the result.
"""

import ctypes
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import tempfile
import time

import watch_redis_py
from stage import PACE, Stage

RESULT_LIMIT = 10
END_LIMIT = 10
PR_SET_PDEATHSIG = 1
TROUBLE = re.compile(r": (WARNING|ERROR|CRITICAL)/|Traceback|Connection to broker lost")
folder = pathlib.Path(tempfile.mkdtemp(prefix="steadfast-celery-", dir=os.environ["PROGRAM_FOLDER"]))
os.environ["CELERY_MARKS"] = str(folder / "marks")
(folder / "marks").touch()

import celery.exceptions  # noqa: E402

from celery_tasks import mark  # noqa: E402  the environment comes first

stage = Stage()
sends = stage.activity("send")
results = stage.activity("result")
pending = queue.Queue()
without_result = []


def start_worker():
    """The worker as the manual starts it; two children suffice."""
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-c", "2"]
    with open(folder / "worker.log", "wb") as log:
        return subprocess.Popen(
            [*command, "--loglevel", "INFO"],
            cwd=pathlib.Path(__file__).parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )


def die_with_parent():
    """In the child: a worker must not outlive this program, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children(process):
    """Process ids of the worker's children."""
    path = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return sorted(path.read_text().split()) if path.exists() else []


def send():
    """One task after another."""
    number = 0
    while sends.goes_on() or results.goes_on():
        number += 1
        value = f"c{number}"
        try:
            pending.put((value, time.time(), mark.delay(value)))
            sends.ok(value)
        except Exception as error:
            sends.error(error, value)
        time.sleep(4 * PACE)
    pending.put(None)


def patience():
    """How long to wait for the next result: once the load has ended, no longer than that takes."""
    left = stage.stop_at + RESULT_LIMIT - time.time()
    return max(PACE, min(RESULT_LIMIT, left))


def collect():
    """The result of each task sent."""
    while task := pending.get():
        value, sent, outcome = task
        try:
            assert outcome.get(timeout=patience()) == value
            results.ok(value)
        except celery.exceptions.TimeoutError:
            without_result.append([value, sent])
        except Exception as error:
            results.error(error, value)


def marks():
    """Executions so far, in order."""
    return (folder / "marks").read_text().split()


def wait_until_idle():
    """Gives tasks that are still queued the time to be executed."""
    wanted = {value for value, _ in sends.acked}
    end = stage.stop_at + RESULT_LIMIT
    while worker.poll() is None and wanted - set(marks()) and time.time() < end:
        time.sleep(PACE)


def conclude():
    """What became of the tasks and of the worker."""
    wait_until_idle()
    alive = worker.poll() is None
    now = children(worker)
    log = (folder / "worker.log").read_text(errors="replace").splitlines()
    trouble = [line[:200] for line in log if TROUBLE.search(line)]
    executions = marks()
    return {
        "worker_alive": alive,
        "worker_restarts": len(set(at_first) - set(now)),
        "worker_log": trouble[:20],
        "executed": executions,
        "without_result": without_result,
        **watch_redis_py.seen(),
    }


def end_worker():
    """A warm shutdown, bounded."""
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(END_LIMIT)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


watch_redis_py.watch()
worker = start_worker()
at_first = []


def note_children():
    """The children of a worker that has begun to work."""
    while not stage.warm() and not stage.stopping.is_set():
        time.sleep(PACE)
    at_first.extend(children(worker))


try:
    stage.conclude = conclude
    stage.play(send, collect, note_children)
finally:
    end_worker()
