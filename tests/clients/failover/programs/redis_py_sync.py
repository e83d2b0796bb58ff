"""redis-py with its defaults: plain writes, reads, transactions, blocking pops. One loop each."""

import time

import redis

import watch_redis_py
from stage import HOST, PACE, PORT, Stage

stage = Stage()
plain = stage.activity("plain")
reads = stage.activity("reads")
transactions = stage.activity("transaction")
pushes = stage.activity("push")
pops = stage.activity("pop")
patient_pop = []
client = redis.Redis(HOST, PORT)
# The default of 5 s would end this pop before the failover does.
patient = redis.Redis(HOST, PORT, socket_timeout=None)


def write():
    """Unique values to one list."""
    number = 0
    while plain.goes_on():
        number += 1
        value = f"p{number}"
        try:
            client.rpush("py:plain", value)
            plain.ok(value)
        except Exception as error:
            plain.error(error, value)
        time.sleep(PACE)


def read():
    """Reads, which may be asked again."""
    while reads.goes_on():
        try:
            client.llen("py:plain")
            reads.ok()
        except Exception as error:
            reads.error(error)
        time.sleep(PACE)


def transact():
    """A list and its counter in one transaction: they must agree afterwards."""
    number = 0
    while transactions.goes_on():
        number += 1
        value = f"t{number}"
        try:
            with client.pipeline() as pipe:
                pipe.rpush("py:transaction", value).incr("py:transaction:count").execute()
            transactions.ok(value)
        except Exception as error:
            transactions.error(error, value)
        time.sleep(PACE)


def push():
    """Work for the popper."""
    number = 0
    while pushes.goes_on() or pops.goes_on():
        number += 1
        value = f"q{number}"
        try:
            client.lpush("py:queue", value)
            pushes.ok(value)
        except Exception as error:
            pushes.error(error, value)
        time.sleep(4 * PACE)


def pop():
    """A consumer that waits for a moment at a time."""
    while pops.goes_on():
        try:
            if job := client.brpop("py:queue", timeout=2):
                pops.ok(job[1].decode())
        except Exception as error:
            pops.error(error)
            time.sleep(PACE)


def wait_for_ever():
    """One pop that begins before the failover and gets its element when the load ends."""
    try:
        patient_pop.append(patient.blpop("py:late", timeout=0)[1].decode())
    except Exception as error:
        patient_pop.append(f"{type(error).__name__}: {error}")


def feed():
    """Pushes the element the patient one waits for."""
    stage.stopping.wait()
    while not patient_pop and time.time() < stage.stop_at:
        if not client.llen("py:late"):
            client.rpush("py:late", "late")
        time.sleep(4 * PACE)


def conclude():
    """Where the values are meant to be, and what happened beneath."""
    return {
        "lists": {"plain": "py:plain", "transaction": "py:transaction"},
        "counters": {"py:transaction": "py:transaction:count"},
        "queues": [{"key": "py:queue", "pushed": "push", "popped": "pop"}],
        "patient_pop": patient_pop,
        **watch_redis_py.seen(),
    }


watch_redis_py.watch()
stage.conclude = conclude
stage.play(write, read, transact, push, pop, wait_for_ever, feed)
