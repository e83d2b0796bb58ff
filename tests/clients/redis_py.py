"""redis-py, in RESP2 and RESP3: strings, pipelines, transactions, blocking pops, subscriptions."""

import os
import threading

import redis

HOST, PORT = os.environ["STEADFAST_ADDR"].rsplit(":", 1)


def connect(protocol):
    return redis.Redis(HOST, int(PORT), protocol=protocol, socket_timeout=20, decode_responses=True)


def strings(client):
    assert client.set("py:a", "wert") is True
    assert client.get("py:a") == "wert"
    assert client.get("py:none") is None
    assert client.set("py:a", "x", nx=True) is None
    big = "x" * 2_000_000
    client.set("py:big", big)
    assert client.get("py:big") == big
    client.hset("py:h", mapping={"one": "1", "two": "2"})
    assert client.hgetall("py:h") == {"one": "1", "two": "2"}
    client.zadd("py:z", {"a": 1.5})
    assert client.zscore("py:z", "a") == 1.5


def pipeline(client):
    with client.pipeline(transaction=False) as pipe:
        for number in range(2000):
            pipe.set(f"py:p:{number}", number)
        assert all(pipe.execute())
    keys = [f"py:p:{number}" for number in range(2000)]
    assert client.mget(keys) == [str(number) for number in range(2000)]


def transaction(client):
    client.set("py:t", 1)
    with client.pipeline() as pipe:
        pipe.watch("py:t")
        pipe.multi()
        pipe.incr("py:t")
        assert pipe.execute() == [2]
    with client.pipeline() as pipe:
        pipe.watch("py:t")
        client.set("py:t", 10)  # from another connection: the transaction must not happen
        pipe.multi()
        pipe.incr("py:t")
        try:
            pipe.execute()
            raise AssertionError("a watched key changed and EXEC went through")
        except redis.WatchError:
            pass
    assert client.get("py:t") == "10"


def blocking_pop(client):
    assert client.blpop("py:queue", timeout=1) is None
    timer = threading.Timer(0.2, client.rpush, ("py:queue", "job"))
    timer.start()
    assert list(client.blpop("py:queue", timeout=10)) == ["py:queue", "job"]
    timer.join()


def subscription(client):
    with client.pubsub(ignore_subscribe_messages=False) as feed:
        feed.subscribe("py:channel")
        feed.psubscribe("py:pattern:*")
        confirmed = [feed.get_message(timeout=10)["type"] for _ in range(2)]
        assert confirmed == ["subscribe", "psubscribe"], confirmed
        assert client.publish("py:channel", "hello") == 1
        message = feed.get_message(timeout=10)
        assert (message["type"], message["data"]) == ("message", "hello"), message
        client.publish("py:pattern:x", "there")
        message = feed.get_message(timeout=10)
        assert (message["type"], message["data"]) == ("pmessage", "there"), message


def state_of_a_connection(client):
    with redis.Redis(HOST, int(PORT), db=3, client_name="checker", decode_responses=True) as other:
        other.set("py:db", "three")
        assert other.client_getname() == "checker"
    assert client.get("py:db") is None
    assert client.eval("return {KEYS[1], ARGV[1]}", 1, "k", "v") == ["k", "v"]


for protocol in (2, 3):
    with connect(protocol) as client:
        client.flushall()
        for check in (strings, pipeline, transaction, blocking_pop, subscription, state_of_a_connection):
            try:
                check(client)
            except BaseException:
                print(f"in {check.__name__}, RESP{protocol}")
                raise
        client.flushall()
