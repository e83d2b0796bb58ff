"""An application that sends Celery tasks and wants each result, and the worker that executes them.

Whether the worker lives, with the same children, and what it logs at WARNING and above, is part of
the result.
"""

import base64
import json
import os
import pathlib
import queue
import tempfile
import time

import redis

import watch_redis_py
from celery_worker import CHILDREN, Worker, wait_until
from stage import HOST, PACE, PORT, Stage

RESULT_LIMIT = 10
folder = pathlib.Path(tempfile.mkdtemp(prefix="steadfast-celery-", dir=os.environ["PROGRAM_FOLDER"]))
os.environ["CELERY_MARKS"] = str(folder / "marks")
(folder / "marks").touch()

import celery.exceptions  # noqa: E402

from celery_tasks import mark  # noqa: E402  the environment comes first

stage = Stage()
sends = stage.activity("send")
# What is UNCERTAIN of a result is what a child of the worker was storing, each over its own connection.
results = stage.activity("result", in_flight=CHILDREN)
pending = queue.Queue()
without_result = []


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


def patience(sent):
    """How long to wait for a result: each task has the same time from when it was sent."""
    return max(PACE, sent + RESULT_LIMIT - time.time())


def collect():
    """The result of each task sent."""
    while task := pending.get():
        value, sent, outcome = task
        try:
            assert outcome.get(timeout=patience(sent)) == value
            results.ok(value)
        except celery.exceptions.TimeoutError:
            without_result.append([value, sent])
        except Exception as error:
            results.error(error, value)


def marks():
    """Executions so far, in order."""
    return (folder / "marks").read_text().split()


def queued():
    """Tasks the broker still has: waiting, or taken and not acknowledged, or given back."""
    broker = redis.Redis(HOST, PORT)
    messages = broker.lrange("celery", 0, -1)
    messages += [json.dumps(json.loads(one)[0]) for one in broker.hvals("unacked")]
    messages += broker.lrange("celery", 0, -1)
    bodies = [json.loads(base64.b64decode(json.loads(one)["body"])) for one in messages]
    return [arguments[0] for arguments, *_ in bodies]


def conclude():
    """What became of the tasks, once those still queued had the time to be executed."""
    wanted = {value for value, _ in sends.acked}
    wait_until(lambda: wanted <= set(marks()), stage.stop_at + RESULT_LIMIT)
    return {
        **watch_redis_py.seen(),  # before this function opens a connection of its own
        # In the order in which a task moves, so that none slips through.
        "queued": queued(),
        "executed": marks(),
        "without_result": without_result,
        **worker.report(),
    }


def note_children():
    """Once the worker works."""
    while not stage.warm() and not stage.stopping.is_set():
        time.sleep(PACE)
    worker.note_children()


watch_redis_py.watch()
worker = Worker(folder)
try:
    stage.conclude = conclude
    stage.play(send, collect, note_children)
finally:
    worker.end()
