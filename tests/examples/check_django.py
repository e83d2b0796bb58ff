"""examples/django under load: gunicorn with each cache backend, an rq worker, a chat over uvicorn.

Two primaries, each failed over and then crashed. No visitor may be logged out, see a visit
forgotten or counted twice, or get an error; every report ordered is written once; whatever is said
in the chat is heard once, in order.
"""

import contextlib
import http.cookiejar
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import websockets.exceptions
from websockets.sync.client import connect

from bed import BedError, free_ports, wait_for
from story import LOGS, PATIENCE, Story, Uncertain, User, answers, deployments, running

EXAMPLE = "django"
BACKENDS = ("django", "django-redis", "django-valkey")
VISITORS = 2
THREADS = 4
AGAIN_LATER = 503
REPORTS = LOGS / EXAMPLE / "reports.txt"


class Browser:
    """Keeps cookies, as browsers do."""

    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def ask(self, path, **form):
        """A page, as JSON; sent as a form when there is something to send."""
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with self.opener.open(self.address + path, data, PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code == AGAIN_LATER and "may have been done" in text:
                raise Uncertain(text) from error
            raise RuntimeError(f"{error.code} for {path}: {text[:80]}") from error


class Visitor(User):
    """Logs in once and then looks at the front page again and again."""

    def __init__(self, story, name, port):
        super().__init__(story, name)
        self.browser = Browser(port)
        self.visits = None
        self.maybe = 0
        self.seen_at = 0.0

    def round(self):
        if self.visits is None:
            self.browser.ask("/login", user=self.name)
            self.visits = 0
        try:
            page = self.browser.ask("/")
        except Uncertain:
            self.maybe += 1
            raise
        assert page["price"] == 42, page
        if page["user"] != self.name:
            self.story.lost(self.seen_at, f"{self.name} was logged out")
            self.visits = None
            return
        expected = self.visits + 1
        if page["visits"] < expected:
            self.story.lost(self.seen_at, f"{self.name}: visit {page['visits']}, not {expected}")
        elif page["visits"] > expected + self.maybe:
            self.story.note("twice", f"{self.name}: visit {page['visits']}, not {expected}")
        self.visits, self.maybe, self.seen_at = page["visits"], 0, time.time()


class Customer(User):
    """Orders reports with titles that are all different."""

    pace = 0.2

    def __init__(self, story, port):
        super().__init__(story, "customer")
        self.browser = Browser(port)
        self.number = 0
        self.accepted = []

    def round(self):
        self.number += 1
        title = f"report-{self.number}"
        self.browser.ask("/order", title=title)
        self.accepted.append((title, time.time(), self.story.act))


class Talkers(User):
    """Two in the chat: what the one says both must hear, once and in order."""

    def __init__(self, story, port):
        super().__init__(story, "talkers")
        self.address = f"ws://127.0.0.1:{port}/chat"
        self.calls = contextlib.ExitStack()
        self.both = []
        self.number = 0

    def round(self):
        if not self.both:
            self.both = [self.calls.enter_context(connect(self.address)) for _ in range(2)]
        self.number += 1
        try:
            self.both[0].send(json.dumps({"text": self.number}))
            for one in self.both:
                self.hear(one)
        except websockets.exceptions.ConnectionClosed as closed:
            self.hang_up()
            raise Uncertain(closed) from closed
        except TimeoutError:
            self.hang_up()
            self.story.lost(time.time(), f"{self.number} was not heard")

    def hear(self, one):
        """The number just said."""
        heard = json.loads(one.recv(timeout=PATIENCE))["text"]
        while heard < self.number:
            self.story.note("twice", f"heard {heard} after {self.number - 1}")
            heard = json.loads(one.recv(timeout=PATIENCE))["text"]

    def hang_up(self):
        self.calls.close()
        self.both = []

    leave = hang_up


def serve(stack, urls):
    """All programs of the example, as an operator starts them; ports of the shops and of the chat."""
    ports = dict(zip((*BACKENDS, "chat"), free_ports(len(BACKENDS) + 1)))
    chat = ["uvicorn", "--port", str(ports["chat"]), "chat:application"]
    worker = ["rq", "worker", "--url", f"{urls['JOBS_URL']}/1", "reports"]
    programs = {"chat": (chat, {}), "worker": (worker, {"REPORTS": str(REPORTS)})}
    for backend in BACKENDS:
        bind = f"127.0.0.1:{ports[backend]}"
        command = ["gunicorn", "--bind", bind, "--threads", str(THREADS), "--no-control-socket"]
        command += ["web:application"]
        programs[backend] = command, {"CACHE_BACKEND": backend}
    for name, (command, more) in programs.items():
        programs[name] = stack.enter_context(running(name, EXAMPLE, command, **urls, **more))
    for name, port in ports.items():
        wait_for(f"{name}; see {programs[name].log}", lambda: answers(port))
    return ports, programs


def written():
    """Titles of the reports, in order."""
    return REPORTS.read_text().split() if REPORTS.exists() else []


def main():
    """The exit status."""
    may_stay = ["maxmemory 64mb", "maxmemory-policy noeviction"]
    may_go = ["maxmemory 64mb", "maxmemory-policy allkeys-lfu"]
    with contextlib.ExitStack() as stack:
        beds = deployments(EXAMPLE, sessions=may_stay, cache=may_go)
        sessions, cache = stack.enter_context(beds)
        urls = {
            "SESSIONS_URL": f"redis://127.0.0.1:{sessions.port}",
            "CACHE_URL": f"redis://127.0.0.1:{cache.port}",
            "JOBS_URL": f"redis://127.0.0.1:{sessions.another_proxy('--on-uncertain=close')}",
        }
        ports, programs = serve(stack, urls)
        story = Story(EXAMPLE, (sessions, cache))
        customer = Customer(story, ports["django"])
        visitors = [
            Visitor(story, f"{backend}-{number}", ports[backend])
            for backend in BACKENDS
            for number in range(VISITORS)
        ]
        users = [*visitors, customer, Talkers(story, ports["chat"])]
        story.play(*users)
        with contextlib.suppress(BedError):
            titles = {title for title, *_ in customer.accepted}
            wait_for("the reports", lambda: titles <= set(written()), PATIENCE)
        story.compare(customer.accepted, written())
        story.expect(programs["worker"].poll() is None, "the worker ended")
        return story.judge(in_flight=len(users))


if __name__ == "__main__":
    sys.exit(main())
