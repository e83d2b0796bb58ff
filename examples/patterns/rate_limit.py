"""A sliding window: at most LIMIT requests in any WINDOW, by the server's own clock.

Invariant: exactly that, over the whole run. A crash forgets what had not reached a replica; but it
takes longer than this window, and so those requests would not count any more anyway. A limit over
a longer time may let a few more through after a crash.
"""

import itertools

import demo

LIMIT = 50
WINDOW = 1_000_000  # us

client = demo.connect()
allow = client.register_script(
    """
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
    if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
    redis.call('ZADD', KEYS[1], now, ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[2] / 1000)
    return now
    """
)
number = itertools.count()
allowed = []


def request():
    """One of many clients that ask for more than they may have."""
    if now := allow(keys=["pattern:limit"], args=[LIMIT, WINDOW, next(number)]):
        allowed.append(now)
        demo.add("allowed")


def never_more():
    times = sorted(allowed)
    for first, beyond in zip(times, times[LIMIT:]):
        assert beyond - first >= WINDOW, f"{LIMIT + 1} requests within {beyond - first} us"
    assert len(times) > LIMIT, "the limit was never reached"


if __name__ == "__main__":
    demo.run(*[request] * 8, invariant=never_more)
