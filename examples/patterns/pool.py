"""A pool of connections with health checks, shared by many threads.

Invariant: a failover costs no connection. The pool never has to replace one, so its size is what
the server side sees, and no thread ever gets a broken one.
"""

import redis

import demo

SIZE = 8
THREADS = 32
CHECK_EVERY = 1  # s: a connection that idled for longer is asked PING before it is used

opened = []


def counted(connection):
    """What redis-py does with each connection that it opens, noted."""
    opened.append(connection)
    connection.on_connect()


pool = redis.BlockingConnectionPool.from_url(
    demo.URLS[0],
    redis_connect_func=counted,
    max_connections=SIZE,
    timeout=30,
    socket_timeout=30,
    health_check_interval=CHECK_EVERY,
)
client = redis.Redis.from_pool(pool)


def step():
    client.incr("pattern:pool")


def none_replaced():
    assert 0 < len(opened) <= SIZE, f"{len(opened)} connections were opened for a pool of {SIZE}"


if __name__ == "__main__":
    demo.run(*[step] * THREADS, invariant=none_replaced)
