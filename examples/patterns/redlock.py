"""Redlock: a lock on three primaries that know nothing of each other, held by whoever has two.

    python redlock.py redis://127.0.0.1:6379 redis://127.0.0.1:6380 redis://127.0.0.1:6381

Three Steadfast endpoints, one for each primary. Invariant: never two inside, also when one primary
crashes and forgets a lock that had not reached its replicas: the other two remember.
"""

import threading
import time
import uuid

import demo

LIFE = 5000  # ms
DRIFT = 0.01  # of the life, by which clocks may differ
KEY = "pattern:redlock"
RELEASE = """
    if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
    return 0
"""

# A primary that is away must not hold up the others: here waiting is given up early.
clients = [demo.connect(url, socket_timeout=LIFE / 10_000) for url in demo.URLS]
inside = set()
most_inside = 0


def ask_all(question):
    """How many say yes; one that cannot be asked says no."""
    yes = 0
    for client in clients:
        try:
            yes += bool(question(client))
        except demo.redis.RedisError:
            demo.add("no_answer")
    return yes


def locked(work):
    """Does the work if a majority has the lock and enough of its life is left."""
    mine = str(uuid.uuid4())
    began = time.monotonic()
    got = ask_all(lambda client: client.set(KEY, mine, nx=True, px=LIFE))
    left = LIFE / 1000 * (1 - DRIFT) - (time.monotonic() - began)
    try:
        if got <= len(clients) / 2 or left < LIFE / 2000:
            return False
        work()
        return True
    finally:
        ask_all(lambda client: client.eval(RELEASE, 1, KEY, mine))


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
    assert len(clients) >= 3, "a majority of fewer than three is all of them"
    assert demo.counts.get("had"), "nobody ever had the lock"
    assert most_inside == 1, f"{most_inside} were inside at once"


if __name__ == "__main__":
    demo.run(*[step] * 3, invariant=one_at_a_time)
