"""redis-py's PubSub with its defaults: a channel and a pattern, and a publisher of numbers."""

import time

import redis

import watch_redis_py
from stage import HOST, PACE, PORT, Stage

CHANNEL = "py:feed"
PATTERN = "py:news:*"
CONFIRM_LIMIT = 10
stage = Stage()
published = stage.activity("publish")
received = stage.activity("receive")
by_pattern = stage.activity("receive by pattern")
client = redis.Redis(HOST, PORT)
to_nobody = []


def subscribed():
    """A feed as the manual shows it, both subscriptions confirmed."""
    feed = client.pubsub()
    feed.subscribe(CHANNEL)
    feed.psubscribe(PATTERN)
    for _ in range(2):
        feed.get_message(timeout=CONFIRM_LIMIT)
    return feed


def receive():
    """Whatever comes, until both kinds came after the end of the load."""
    while received.goes_on() or by_pattern.goes_on():
        try:
            message = feed.get_message(ignore_subscribe_messages=True, timeout=0.2)
        except Exception as error:
            received.error(error)
            time.sleep(PACE)
            continue
        if message:
            activity = by_pattern if message["type"] == "pmessage" else received
            activity.ok(message["data"].decode())


def publish():
    """Rising numbers, on the channel and under the pattern in turn."""
    number = 0
    while published.goes_on() or received.goes_on() or by_pattern.goes_on():
        number += 1
        value = f"n{number}"
        channel = CHANNEL if number % 2 else "py:news:today"
        try:
            if client.publish(channel, value):
                published.ok(value)
            else:
                to_nobody.append(value)
        except Exception as error:
            published.error(error, value)
        time.sleep(2 * PACE)


def conclude():
    """Who published for whom, and what happened beneath."""
    return {
        "feeds": [{"published": "publish", "received": ["receive", "receive by pattern"]}],
        "to_nobody": len(to_nobody),
        **watch_redis_py.seen(),
    }


watch_redis_py.watch()
stage.conclude = conclude
feed = subscribed()
stage.play(receive, publish)
