"""Sessions as hashes: fields change by themselves, and together where they belong together.

Invariant: two fields that change in one transaction never differ, and no visit is counted twice.
"""

import uuid

import demo

LIFE = 1800  # s

client = demo.connect()


class Visitor:
    """One session, its cookie being its key."""

    def __init__(self):
        self.key = f"pattern:session:{uuid.uuid4()}"
        self.visits = 0
        self.maybe = 0

    def visit(self):
        """One request: a field counted, one appended to, the life of all renewed."""
        try:
            with client.pipeline(transaction=True) as together:
                together.hincrby(self.key, "visits", 1)
                together.hincrby(self.key, "pages", 1)
                together.hset(self.key, "last", "/cart")
                together.expire(self.key, LIFE)
                visits, pages, *_ = together.execute()
        except demo.redis.ResponseError:
            self.maybe += 1
            raise
        assert visits == pages, f"{visits} visits, {pages} pages"
        if visits > self.visits + 1 + self.maybe:
            demo.add("twice")
        self.visits, self.maybe = visits, 0


visitors = [Visitor() for _ in range(4)]


def whole():
    assert not demo.counts.get("twice"), "a visit was counted twice"
    for visitor in visitors:
        session = client.hgetall(visitor.key)
        assert session["visits"] == session["pages"], f"half a transaction: {session}"


if __name__ == "__main__":
    demo.run(*[visitor.visit for visitor in visitors], invariant=whole)
