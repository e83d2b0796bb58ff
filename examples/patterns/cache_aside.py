"""Cache-aside with early recomputation: a value is made anew by one reader before it ends.

The slower it is to make and the nearer its end, the likelier a reader begins; the others take the
old one meanwhile. Invariant: no stampede. One reader makes a value while many read, two if a crash
took the mark of the first, and nobody but the very first ever waits for one.
"""

import json
import math
import random
import time

import demo

LIFE = 2  # s
SLOW = 0.1  # s
# The old value stays for so much longer, because making the new one may have to wait.
SPARE = 60  # s
MAKING = 10  # s, after which whoever makes one is taken for dead
READERS = 16

client = demo.connect()
makers = set()
most_makers = 0


def cached(key, make):
    """The value as it was kept, or as `make` makes it; None while the first one is being made."""
    value, cost, end = json.loads(client.get(key) or "[null, 0, 0]")
    early = cost * math.log(1 / random.random())
    if time.time() + early < end or not client.set(f"{key}:making", 1, nx=True, ex=MAKING):
        return value
    began = time.time()
    value = make()
    cost = time.time() - began
    client.set(key, json.dumps([value, cost, began + cost + LIFE]), ex=LIFE + SPARE)
    client.delete(f"{key}:making")
    return value


def look_up_price():
    """Slow, and counted."""
    global most_makers
    me = object()
    makers.add(me)
    most_makers = max(most_makers, len(makers))
    time.sleep(SLOW)
    makers.discard(me)
    demo.add("made")
    return 42


def reader():
    """Wants to know the price."""
    price = cached("pattern:price", look_up_price)
    demo.add("waited" if price is None else "read")


def no_stampede():
    assert demo.counts["made"] > 1, "it was never made anew"
    assert most_makers <= 2, f"{most_makers} made the same value at the same time"
    assert demo.counts.get("waited", 0) <= READERS * SLOW / demo.PACE, "readers waited more than once"


if __name__ == "__main__":
    demo.run(*[reader] * READERS, invariant=no_stampede)
