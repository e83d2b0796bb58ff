"""Publish and subscribe. Nothing is kept for those who do not listen, so a crash leaves a gap.

Invariant: whoever stays subscribed hears everything once, in order, and misses at most what was
being said when the primary died; a planned failover leaves no gap.
"""

import itertools

import demo

CHANNEL = "pattern:news"

client = demo.connect()
feed = client.pubsub(ignore_subscribe_messages=True)
number = itertools.count(1)
heard = []


def speaker():
    """Says one number after the other."""
    client.publish(CHANNEL, next(number))


def listener():
    """Waits for a moment at a time, so that it notices the end."""
    if message := feed.get_message(timeout=0.5):
        heard.append(int(message["data"]))


def in_order():
    assert heard, "nothing was heard"
    assert heard == sorted(set(heard)), "something was heard twice or out of order"
    missed = heard[-1] - heard[0] + 1 - len(heard)
    demo.counts["missed"] = missed
    # One more may have been on its way to both ends at once.
    most = demo.counts["uncertain"] + 1
    assert missed <= most, f"{missed} were not heard, at most {most} may have been on their way"


if __name__ == "__main__":
    feed.subscribe(CHANNEL)
    demo.run(speaker, listener, invariant=in_order)
