"""A stream with a consumer group: work is shared, and what a dead consumer held is claimed.

Invariant: every entry that a replica had when its producer went on is processed; entries of a
consumer that died are claimed by another. Processing is idempotent here, because nothing else can
turn "at least once" into "once".
"""

import itertools

import demo

STREAM, GROUP = "pattern:orders", "packers"
IDLE = 500  # ms, after which an entry counts as left behind

producer = demo.connect(single_connection_client=True)
client = demo.connect()
number = itertools.count(1)
sent = set()
packed = set()


def produce():
    """Goes on when a replica has the entry."""
    order = str(next(number))
    producer.xadd(STREAM, {"order": order}, maxlen=100_000, approximate=True)
    if demo.kept(producer):
        sent.add(order)


def pack(entries):
    """What is packed already stays packed."""
    for entry, fields in entries:
        demo.add("again" if fields["order"] in packed else "packed")
        packed.add(fields["order"])
        client.xack(STREAM, GROUP, entry)


def diligent():
    """Takes what nobody has."""
    for _, entries in client.xreadgroup(GROUP, "diligent", {STREAM: ">"}, count=10, block=500):
        pack(entries)


def forgetful():
    """Takes something and dies before it is packed."""
    client.xreadgroup(GROUP, "forgetful", {STREAM: ">"}, count=1, block=500)


def claimer():
    """Takes over what the dead left behind."""
    _, entries, *_ = client.xautoclaim(STREAM, GROUP, "claimer", min_idle_time=IDLE, count=100)
    demo.add("claimed", len(entries))
    pack(entries)


def nothing_left():
    assert demo.counts.get("claimed"), "nothing was ever claimed"
    demo.time.sleep(2 * IDLE / 1000)
    while entries := client.xreadgroup(GROUP, "last", {STREAM: ">"}, count=1000):
        pack(entries[0][1])
    while entries := client.xautoclaim(STREAM, GROUP, "last", min_idle_time=IDLE, count=1000)[1]:
        pack(entries)
    assert sent <= packed, f"never packed: {sorted(sent - packed)[:5]}"


if __name__ == "__main__":
    client.delete(STREAM)
    client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    demo.run(produce, diligent, forgetful, claimer, invariant=nothing_left)
