"""The Celery application under load: one task, with broker and backend behind Steadfast."""

import os

from celery import Celery

URL = f"redis://127.0.0.1:{os.environ.get('STEADFAST_PORT', '0')}"
app = Celery("tasks", broker=f"{URL}/0", backend=f"{URL}/1")


@app.task
def mark(value):
    """Notes each execution in a file; one small append is whole or not there."""
    descriptor = os.open(os.environ["CELERY_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{value}\n".encode())
    finally:
        os.close(descriptor)
    return value
