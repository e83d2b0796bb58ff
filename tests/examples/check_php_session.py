"""examples/php-session under load: php-fpm with ten children, sessions with locking, real logins.

One pool is told where Steadfast is by SESSIONSTORAGE_HOSTNAME and _PORT, another by a platform's
relationships. Each visitor has two tabs that share a session. No visitor may be logged out, and
with locking no visit may be forgotten or counted twice, whichever tab it was.
"""

import base64
import contextlib
import glob
import json
import os
import subprocess
import sys
import threading
import time

from bed import free_ports, wait_for
from story import PATIENCE, ROOT, Story, Uncertain, User, answers, deployments, running

EXAMPLE = "php-session"
PAGE = ROOT / "examples" / EXAMPLE / "index.php"
VISITORS = 3
TABS = 2
PASSWORD = "correct horse"


class Site:
    """One pool of php-fpm, asked by cgi-fcgi as a web server would."""

    def __init__(self, port):
        self.port = port

    def ask(self, cookie="", form=""):
        """Status, headers and text of the page."""
        request = {
            "SCRIPT_FILENAME": str(PAGE),
            "SCRIPT_NAME": "/index.php",
            "REQUEST_METHOD": "POST" if form else "GET",
            "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(form)),
            "HTTP_COOKIE": cookie,
        }
        command = ["cgi-fcgi", "-bind", "-connect", f"127.0.0.1:{self.port}"]
        ran = subprocess.run(
            command,
            input=form,
            env=os.environ | request,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        head, _, text = ran.stdout.replace("\r\n", "\n").partition("\n\n")
        headers = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
        return int(headers.get("Status", "200").split()[0]), headers, text

    def page(self, **request):
        """Headers and page; a crash may cost a 503 that says it cannot be known."""
        status, headers, text = self.ask(**request)
        if status == 503 and "may have been done" in text:
            raise Uncertain(text)
        if status != 200 or not text.startswith("{"):
            raise RuntimeError(f"{status}: {text[:100]}")
        return headers, json.loads(text)


class Session:
    """One visitor's, shared by the tabs: which visits were seen."""

    def __init__(self, site, name):
        self.site = site
        self.name = name
        self.cookie = None
        self.seen = {}
        self.maybe = 0
        self.lock = threading.Lock()

    def log_in(self):
        """Once for all tabs."""
        with self.lock:
            if self.cookie is None:
                form = f"user={self.name}&password={PASSWORD.replace(' ', '+')}"
                headers, page = self.site.page(form=form)
                assert page == {"user": self.name, "visits": 0}, page
                self.cookie = headers["Set-Cookie"].split(";")[0]


class Tab(User):
    """Looks at the page again and again."""

    def __init__(self, story, session, number):
        super().__init__(story, f"{session.name}/{number}")
        self.session = session

    def round(self):
        session = self.session
        session.log_in()
        try:
            _, page = session.site.page(cookie=session.cookie)
        except Uncertain:
            session.maybe += 1
            raise
        if page.get("user") != session.name:
            self.story.lost(max(session.seen.values(), default=0), f"{self.name}: logged out")
            session.cookie, session.seen = None, {}
            return
        with session.lock:
            visit = page["visits"]
            if visit in session.seen:
                self.story.lost(session.seen[visit], f"{self.name}: visit {visit} again")
            session.seen[visit] = time.time()


def find_fpm():
    """Debian names it after its version."""
    return sorted(glob.glob("/usr/sbin/php-fpm*"))[-1]


def relationships(port):
    """As Platform.sh tells where services are."""
    told = {"sessionstorage": [{"scheme": "redis", "host": "127.0.0.1", "port": port}]}
    return base64.b64encode(json.dumps(told).encode()).decode()


def skipped(sessions):
    """Visits nobody saw, beyond those that were answered 503."""
    return sum(max(one.seen, default=0) - len(one.seen) - one.maybe for one in sessions)


def check_handler_name(story):
    """phpredis has one handler, for both servers."""
    command = ["php", "-d", "session.save_handler=valkey", "-r", "session_start();"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    words = told.stdout + told.stderr
    story.expect("Cannot find session save handler" in words, f"a handler called valkey: {words}")


def main():
    """The exit status."""
    with contextlib.ExitStack() as stack:
        (bed,) = stack.enter_context(deployments(EXAMPLE, sessions=["maxmemory-policy noeviction"]))
        ways = {
            "hostname": {
                "SESSIONSTORAGE_HOSTNAME": "127.0.0.1",
                "SESSIONSTORAGE_PORT": str(bed.port),
            },
            "relationships": {"PLATFORM_RELATIONSHIPS": relationships(bed.port)},
        }
        story = Story(EXAMPLE, [bed])
        sessions = []
        for (way, told), port in zip(ways.items(), free_ports(len(ways))):
            command = [find_fpm(), "--nodaemonize", "--fpm-config", "php-fpm.conf"]
            listen = {"FPM_LISTEN": f"127.0.0.1:{port}"}
            fpm = stack.enter_context(running(way, EXAMPLE, command, **listen, **told))
            wait_for(f"php-fpm; see {fpm.log}", lambda: answers(port))
            sessions += [Session(Site(port), f"{way}-{number}") for number in range(VISITORS)]
        tabs = [Tab(story, session, number) for session in sessions for number in range(TABS)]
        story.play(*tabs)
        check_handler_name(story)
        for _ in range(skipped(sessions)):
            story.note("twice")
        return story.judge(in_flight=len(tabs))


if __name__ == "__main__":
    sys.exit(main())
