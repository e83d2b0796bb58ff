"""An impatient pool: redis-py giving up after half a second and trying again, and bare sockets.

Each attempt that reaches the wire carries a value of its own, also where the library tries the same
call again. A patient observer says from when to when nothing was answered: an attempt that was sent
and given up within that time was held throughout, and must never be executed.
"""

import logging
import socket
import threading
import time
import warnings

import redis

from stage import HOST, PACE, PORT, Stage

TIMEOUT = 0.5
POOL_THREADS = 4
BARE_THREADS = 4
PLACEHOLDER = "attempt"
KEY = "impatient"
stage = Stage()
calls = stage.activity("pool")
bare_calls = stage.activity("bare")
observer = stage.activity("observer")
attempts = []
lock = threading.Lock()
answers = []


def begin(kind):
    """A new attempt, about to be sent."""
    with lock:
        attempt = {"value": f"{kind}{len(attempts)}", "sent": time.time()}
        attempts.append(attempt)
    return attempt


def end(attempt, outcome):
    """What became of it, as far as the one who sent it knows."""
    attempt.setdefault("ended", time.time())
    attempt.setdefault("outcome", outcome)


class Marked(redis.Connection):
    """A default connection that gives each attempt its own value and notes how it ended."""

    attempt = None

    def send_command(self, *args, **kwargs):
        """Replaces the placeholder."""
        if PLACEHOLDER in args:
            self.attempt = begin("r")
            args = [self.attempt["value"] if arg == PLACEHOLDER else arg for arg in args]
        return super().send_command(*args, **kwargs)

    def read_response(self, *args, **kwargs):
        """Notes an answer."""
        try:
            answer = super().read_response(*args, **kwargs)
        except redis.ResponseError as error:
            self.settle(f"error {type(error).__name__} {error}"[:60])
            raise
        self.settle("ok")
        return answer

    def disconnect(self, *args, **kwargs):
        """Notes that the attempt was given up, once the socket is closed."""
        super().disconnect(*args, **kwargs)
        self.settle("given up")

    def settle(self, outcome):
        """Ends the attempt under way, if any."""
        if self.attempt:
            end(self.attempt, outcome)
            self.attempt = None


def client():
    """The pool as an impatient application sets it up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made = redis.Redis(
            HOST, PORT, socket_timeout=TIMEOUT, retry_on_timeout=True, health_check_interval=30
        )
    made.connection_pool.connection_class = Marked
    return made


def call_through(pool):
    """Writes, as many at a time as there are threads."""
    while calls.goes_on():
        try:
            pool.rpush(KEY, PLACEHOLDER)
            calls.ok()
        except Exception as error:
            calls.error(error)
        time.sleep(PACE)


def call_bare():
    """The same without a library: connect, write, wait, close."""
    while bare_calls.goes_on():
        try:
            bare_attempt()
            bare_calls.ok()
        except OSError as error:
            bare_calls.error(error)
        time.sleep(10 * PACE)


def bare_attempt():
    """One connection, one command."""
    with socket.create_connection((HOST, PORT), TIMEOUT) as wire:
        attempt = begin("b")
        outcome = "given up"
        try:
            wire.sendall(f"RPUSH {KEY} {attempt['value']}\r\n".encode())
            answer = wire.recv(200)
            outcome = "ok" if answer.startswith(b":") else f"error {answer[:50]!r}"
            if outcome != "ok":
                raise OSError(outcome)
        finally:
            wire.close()
            end(attempt, outcome)


def observe():
    """A patient client: the gap in its answers is the time commands were held."""
    patient = redis.Redis(HOST, PORT, socket_timeout=None)
    while observer.goes_on():
        try:
            patient.incr("impatient:observer")
            observer.ok()
        except Exception as error:
            observer.error(error)
            if "UNCERTAIN" not in str(error):
                time.sleep(PACE)
                continue
        answers.append(time.time())
        time.sleep(PACE / 2)


def longest_gap():
    """The longest time without an answer: begin and end."""
    pairs = zip(answers, answers[1:])
    return max(pairs, key=lambda pair: pair[1] - pair[0])


def conclude():
    """Every attempt, and the time in which commands were held."""
    for attempt in attempts:
        end(attempt, "unfinished")
    return {"attempts": attempts, "attempts_key": KEY, "held": longest_gap()}


logging.getLogger().addHandler(logging.NullHandler())
stage.conclude = conclude
pool = client()
stage.play(
    observe,
    *[lambda: call_through(pool) for _ in range(POOL_THREADS)],
    *[call_bare for _ in range(BARE_THREADS)],
)
