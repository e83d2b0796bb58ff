"""redis.asyncio with its defaults: writes, transactions, a script, blocking pops, all on one loop."""

import asyncio

import redis.asyncio

import watch_redis_py
from stage import HOST, PACE, PORT, Stage

SCRIPT = "redis.call('RPUSH', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[2])"
stage = Stage()
plain = stage.activity("plain")
transactions = stage.activity("transaction")
scripts = stage.activity("script")
pushes = stage.activity("push")
pops = stage.activity("pop")


async def write(activity, prefix, call):
    """Unique values through `call` until the load ends."""
    number = 0
    while activity.goes_on():
        number += 1
        value = f"{prefix}{number}"
        try:
            await call(value)
            activity.ok(value)
        except Exception as error:
            activity.error(error, value)
        await asyncio.sleep(PACE)


async def pop(client):
    """A consumer that waits for a moment at a time."""
    while pops.goes_on():
        try:
            if job := await client.brpop("aio:queue", timeout=2):
                pops.ok(job[1].decode())
        except Exception as error:
            pops.error(error)
            await asyncio.sleep(PACE)


async def feed(client):
    """Work for the popper, until the popper is done."""
    number = 0
    while pushes.goes_on() or pops.goes_on():
        number += 1
        value = f"q{number}"
        try:
            await client.lpush("aio:queue", value)
            pushes.ok(value)
        except Exception as error:
            pushes.error(error, value)
        await asyncio.sleep(4 * PACE)


async def main():
    """All loops on one client, whose pool gives each a connection."""
    client = redis.asyncio.Redis(host=HOST, port=PORT)
    script = client.register_script(SCRIPT)

    async def transact(value):
        async with client.pipeline() as pipe:
            await pipe.rpush("aio:transaction", value).incr("aio:transaction:count").execute()

    await asyncio.gather(
        write(plain, "p", lambda value: client.rpush("aio:plain", value)),
        write(transactions, "t", transact),
        write(
            scripts, "s", lambda value: script(["aio:script", "aio:script:count"], [value])
        ),
        feed(client),
        pop(client),
    )


def conclude():
    """Where the values are meant to be, and what happened beneath."""
    return {
        "lists": {"plain": "aio:plain", "transaction": "aio:transaction", "script": "aio:script"},
        "counters": {
            "aio:transaction": "aio:transaction:count",
            "aio:script": "aio:script:count",
        },
        "queues": [{"key": "aio:queue", "pushed": "push", "popped": "pop"}],
        **watch_redis_py.seen(),
    }


watch_redis_py.watch()
stage.conclude = conclude
stage.listen_aside()
asyncio.run(main())
stage.finish()
