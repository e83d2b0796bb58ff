"""examples/celery under load: a customer who orders and waits for the results, and a worker.

Every task that was accepted is executed once and its result arrives; the worker lives on.
"""

import contextlib
import importlib
import itertools
import os
import sys
import time

import celery.exceptions
import kombu.exceptions
from bed import BedError, wait_for
from story import LOGS, PATIENCE, ROOT, Story, Uncertain, User, deployments, running

EXAMPLE = "celery"
BASKET = 4
CHILDREN = 2
RESULT_LIMIT = 20
CHARGES = LOGS / EXAMPLE / "charges.txt"


class Customer(User):
    """Orders a few things at once and waits for every result, again and again."""

    def __init__(self, story, shop):
        super().__init__(story, "customer")
        self.shop = shop
        self.orders = itertools.count(1)
        self.accepted = []

    def round(self):
        for order, sent_at, result in [self.order() for _ in range(BASKET)]:
            try:
                assert result.get(timeout=RESULT_LIMIT) == order
            except celery.exceptions.TimeoutError:
                self.story.lost(sent_at, f"no result of {order}")

    def order(self):
        """One task, if it is certain that it was sent."""
        order = f"order-{next(self.orders)}"
        try:
            result = self.shop.charge.delay(order)
        except kombu.exceptions.OperationalError as error:
            raise Uncertain(error) from error
        sent_at = time.time()
        self.accepted.append((order, sent_at, self.story.act))
        return order, sent_at, result


def charged():
    """Orders executed, in order."""
    return CHARGES.read_text().split() if CHARGES.exists() else []


def main():
    """The exit status."""
    with contextlib.ExitStack() as stack:
        (bed,) = stack.enter_context(deployments(EXAMPLE, tasks=["maxmemory-policy noeviction"]))
        port = bed.another_proxy("--on-uncertain=close")
        told = {"VALKEY_URL": f"redis://127.0.0.1:{port}", "CHARGES": str(CHARGES)}
        os.environ |= told
        sys.path.insert(0, str(ROOT / "examples" / EXAMPLE))
        shop = importlib.import_module("shop")
        command = ["celery", "-A", "shop", "worker", "--concurrency", str(CHILDREN)]
        worker = stack.enter_context(running("worker", EXAMPLE, command, **told))
        story = Story(EXAMPLE, [bed])
        customer = Customer(story, shop)
        story.play(customer)
        orders = {order for order, *_ in customer.accepted}
        with contextlib.suppress(BedError):
            wait_for("the charges", lambda: orders <= set(charged()), PATIENCE)
        story.compare(customer.accepted, charged())
        story.expect(worker.poll() is None, f"the worker ended; see {worker.log}")
        return story.judge(in_flight=1 + CHILDREN)


if __name__ == "__main__":
    sys.exit(main())
