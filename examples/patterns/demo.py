"""What the scripts here share: where Steadfast is, workers on threads, counting, and an end.

    python lock.py [URL...]      for example: python lock.py redis://127.0.0.1:6379

A script works until Ctrl-C or SIGTERM and says every second how it goes, as a line of JSON. Then it
says whether its invariant held: exit status 0, else 1.
"""

import json
import signal
import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

URLS = sys.argv[1:] or ["redis://127.0.0.1:6379"]
PACE = 0.01
REPORT_EVERY = 1
REPLICA_LIMIT_MS = 1000

over = threading.Event()
guard = threading.Lock()
counts = {"ok": 0, "uncertain": 0, "errors": 0, "longest_pause_ms": 0}


def connect(url=URLS[0], **more):
    """A client that outwaits Steadfast's hold time, and that sends nothing twice by itself."""
    settings = {"socket_timeout": 30, "retry": Retry(NoBackoff(), 0), "decode_responses": True}
    return redis.Redis.from_url(url, **settings | more)


def uncertain(error):
    """Whether the primary died with the command in its hands: it may or may not have been executed."""
    return str(error).startswith("UNCERTAIN")


def kept(client):
    """Whether a replica has what this client wrote: then it survives a crash of the primary, because
    Sentinel promotes the replica that has most. Wants `single_connection_client=True`: WAIT is about
    the writes of its own connection."""
    return client.wait(1, REPLICA_LIMIT_MS) >= 1


def add(name, number=1):
    """Counts something for the report."""
    with guard:
        counts[name] = counts.get(name, 0) + number


def work(step):
    """One step after the other until the end; what it raises is counted."""
    last = time.monotonic()
    while not over.wait(PACE):
        try:
            step()
        except redis.ResponseError as error:
            add("uncertain" if uncertain(error) else "errors")
            counts["last_error"] = str(error)
            continue
        except Exception as error:
            add("errors")
            counts["last_error"] = f"{type(error).__name__}: {error}"
            continue
        now = time.monotonic()
        add("ok")
        with guard:
            pause = round((now - last) * 1000)
            counts["longest_pause_ms"] = max(counts["longest_pause_ms"], pause)
        last = now


def report(**more):
    """One line of JSON."""
    with guard:
        print(json.dumps(counts | more), flush=True)


def run(*steps, invariant):
    """Works on all steps, each on a thread of its own, then asserts the invariant."""
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: over.set())
    threads = [threading.Thread(target=work, args=[step]) for step in steps]
    for thread in threads:
        thread.start()
    while not over.wait(REPORT_EVERY):
        report()
    for thread in threads:
        thread.join()
    try:
        invariant()
    except AssertionError as broken:
        report(broken=str(broken))
        sys.exit(1)
    report(invariant="held")
