"""What one client may do to the others: the rows of isolation, and who disturbs in them.

A measurement is the 99th percentile of fifty clients' reads, once in peace and once while another
client of the same proxy reads a large value slowly, or waits with a write that the server has paused.
"""

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

from bed import Failed, Server, generator
from loads import LATENCY_CLIENTS, LATENCY_RATE, Row

BIG_KEY = "bench:big"
BIG_LEN = 100_000_000
READ_RATE = 1_000_000  # bytes per second
READ_STEP = 50_000
RECEIVE_BUFFER = 64 * 1024
PAUSE_MS = 600_000
SETTLE = 0.3  # seconds until what disturbs is under way
QUIET_GAP = 0.2
ANSWER_LIMIT = 20.0


@contextmanager
def slow_reader(bed, instance):
    """A client that reads a value of 100 MB at 1 MB/s."""
    bed.server.store(BIG_LEN, BIG_KEY)
    stop = threading.Event()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        client.settimeout(ANSWER_LIMIT)
        client.connect(("127.0.0.1", instance.port))
        client.sendall(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(BIG_KEY), BIG_KEY.encode()))

        def read():
            while not stop.wait(READ_STEP / READ_RATE):
                if not client.recv(READ_STEP):
                    return

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            ended = not reader.is_alive()
            stop.set()
            reader.join()
    bed.server.ask("DEL", BIG_KEY)
    if ended:
        raise Failed("the slow reader was cut off")


@contextmanager
def paused_write(bed, instance):
    """A client whose write waits for the end of CLIENT PAUSE."""
    # Connected before, as a client of a pool would be.
    client = Server(instance.port)
    client.link.settimeout(ANSWER_LIMIT)
    client.store(1, "bench:paused")
    bed.server.ask("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
    try:
        client.link.sendall(b"*3\r\n$3\r\nSET\r\n$12\r\nbench:paused\r\n$1\r\nv\r\n")
        yield
    finally:
        bed.server.ask("CLIENT", "UNPAUSE")
    if client.replies.readline() != b"+OK\r\n":
        raise Failed("the paused write was not answered")


@dataclass
class Isolation(Row):
    """Percentiles of reads with and without a disturbance, in the same minute."""

    disturbance: object = None

    def measure(self, bed, instance, scale):
        seconds = self.seconds / 2 * scale
        quiet = self.p99(bed, instance, seconds)
        time.sleep(QUIET_GAP)
        with self.disturbance(bed, instance):
            time.sleep(SETTLE)
            disturbed = self.p99(bed, instance, seconds)
        return {"quiet_p99_ms": quiet, "disturbed_p99_ms": disturbed, "isolation": disturbed / quiet}

    @staticmethod
    def p99(bed, instance, seconds):
        options = {"clients": LATENCY_CLIENTS, "seconds": seconds, "rate": LATENCY_RATE}
        with generator(bed, "open", instance.port, **options) as run:
            return run()["p99_us"] / 1000


ROWS = [
    Isolation("slowread", "while one client reads 100 MB at 1 MB/s", 3.0, warms=False,
              disturbance=slow_reader),
    Isolation("paused", "while one write is parked by CLIENT PAUSE WRITE", 3.0, warms=False,
              disturbance=paused_write),
]
