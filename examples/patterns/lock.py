"""A lock: SET NX PX with a value of one's own, and a script that releases it only if it still is.

Invariant: never two inside. SET alone does not give that: replication is asynchronous, and a crash
may take a lock with it that somebody holds. So the lock counts only once a replica has it. And it
holds only for its time: whoever may take longer wants fencing.py.
"""

import threading
import time
import uuid

import demo

LIFE = 5000  # ms
KEY = "pattern:lock"
RELEASE = """
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
    return 0
"""

inside = set()
most_inside = 0


class Worker(threading.local):
    """One connection for each thread, so that WAIT is about its own lock."""

    def __init__(self):
        self.client = demo.connect(single_connection_client=True)
        self.release = self.client.register_script(RELEASE)


worker = Worker()


def locked(work):
    """Does the work under the lock, if it can be had and is known to survive a crash."""
    mine = str(uuid.uuid4())
    until = time.monotonic() + LIFE / 1000
    if not worker.client.set(KEY, mine, nx=True, px=LIFE):
        return False
    try:
        # Waiting may have taken most of the lock's life, during a failover above all.
        if not demo.kept(worker.client) or time.monotonic() > until - LIFE / 2000:
            return False
        work()
        return True
    finally:
        worker.release(keys=[KEY], args=[mine])


def critical():
    """Whatever must not happen twice at a time."""
    global most_inside
    me = threading.get_ident()
    inside.add(me)
    most_inside = max(most_inside, len(inside))
    time.sleep(demo.PACE)
    inside.discard(me)


def step():
    demo.add("had" if locked(critical) else "not_had")


def one_at_a_time():
    assert demo.counts.get("had"), "nobody ever had the lock"
    assert most_inside == 1, f"{most_inside} were inside at once"


if __name__ == "__main__":
    demo.run(*[step] * 6, invariant=one_at_a_time)
