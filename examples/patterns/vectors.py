"""Vector search in a vector set: VADD and VSIM, which Redis has since 8.0 and Valkey has not.

Invariant: what a replica had when it was added is found again as the nearest to itself.
"""

import itertools
import random

import demo

KEY = "pattern:vectors"
DIMENSIONS = 16

writer = demo.connect(single_connection_client=True)
client = demo.connect()
number = itertools.count(1)
known = {}


def numbers(vector):
    """As VADD and VSIM take them."""
    return ["VALUES", len(vector), *vector]


def add():
    """One more, at random."""
    name = f"v{next(number)}"
    vector = [random.gauss(0, 1) for _ in range(DIMENSIONS)]
    writer.execute_command("VADD", KEY, *numbers(vector), name)
    if demo.kept(writer):
        known[name] = vector


def search():
    """Looks one up among the nearest."""
    if known:
        name, vector = random.choice(list(known.items()))
        found = client.execute_command("VSIM", KEY, *numbers(vector), "COUNT", 5, "EF", 500)
        demo.add("found" if name in found else "missing")


def all_found():
    assert demo.counts.get("found"), "nothing was ever found"
    gone = [name for name in known if client.execute_command("VEMB", KEY, name) is None]
    assert not gone, f"{len(gone)} of {len(known)} are gone: {gone[:5]}"
    missing = demo.counts.get("missing", 0)
    assert missing <= demo.counts["found"] / 100, f"{missing} searches missed their own vector"


if __name__ == "__main__":
    client.delete(KEY)
    demo.run(add, search, invariant=all_found)
