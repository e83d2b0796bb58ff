"""Fencing tokens: a lock that may end too early, and a store that notices.

Each holder gets a number greater than all before it and shows it with every write; the store
refuses a smaller one than it has seen. Invariant: the store's history is in the order of the
tokens, and no two holders ever had the same: not across a crash either, because a token counts
only once a replica has it.
"""

import threading
import time
import uuid

import demo

LIFE = 200  # ms: much too short for a slow holder, on purpose
KEY = "pattern:fenced"
TAKE = """
    if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
        return redis.call('INCR', KEYS[2])
    end
"""


class Store:
    """Whatever the lock protects; it remembers the greatest token it has seen."""

    def __init__(self):
        self.guard = threading.Lock()
        self.newest = 0
        self.history = []

    def write(self, token):
        """Whether it was written."""
        with self.guard:
            if token < self.newest:
                return False
            self.newest = token
            self.history.append((token, threading.get_ident()))
            return True


class Worker(threading.local):
    """One connection for each thread, so that WAIT is about its own token."""

    def __init__(self):
        self.client = demo.connect(single_connection_client=True)
        self.take = self.client.register_script(TAKE)


worker = Worker()
store = Store()


def step():
    """Takes the lock, dawdles now and then, writes."""
    token = worker.take(keys=[KEY, f"{KEY}:token"], args=[str(uuid.uuid4()), LIFE])
    if token is None or not demo.kept(worker.client):
        demo.add("not_had")
        return
    if token % 5 == 0:
        time.sleep(2 * LIFE / 1000)
    demo.add("written" if store.write(token) else "fenced_off")


def in_the_order_of_tokens():
    tokens = [token for token, _ in store.history]
    assert tokens == sorted(set(tokens)), "a token was had twice, or written after a greater one"
    assert demo.counts.get("fenced_off"), "nobody was ever too late: this run shows nothing"


if __name__ == "__main__":
    demo.run(*[step] * 4, invariant=in_the_order_of_tokens)
