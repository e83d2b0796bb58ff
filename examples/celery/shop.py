"""A Celery application whose broker and result backend live behind Steadfast.

A worker: celery -A shop worker
A task:   python -c 'import shop; print(shop.charge.delay("order-1").get())'
"""

import os

from celery import Celery

# An endpoint that never answers UNCERTAIN but closes (--on-uncertain close): README.md says why.
VALKEY = os.environ.get("VALKEY_URL", "redis://127.0.0.1:6379")
# Beyond Steadfast's hold time: whoever waits longest sees a failover to its end.
PATIENCE = 30

app = Celery("shop", broker=f"{VALKEY}/0", backend=f"{VALKEY}/1")
app.conf.update(
    broker_transport_options={"socket_timeout": PATIENCE},
    redis_socket_timeout=PATIENCE,
    broker_connection_retry_on_startup=True,
    # Whoever sends a task is told when it cannot be known whether it was queued: sent again by
    # itself, it might be done twice.
    task_publish_retry=False,
)


@app.task
def charge(order):
    """One line for each execution, in a single small append."""
    with open(os.environ.get("CHARGES", "charges.txt"), "a") as charges:
        charges.write(f"{order}\n")
    return order
