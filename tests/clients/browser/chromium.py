"""A Chromium without a window, told what to do by the DevTools protocol over a pipe: no library, no port.

It knows nothing of what it shows.
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LIMIT = 90
PACE = 0.05
FLAGS = [
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--hide-scrollbars", "--disable-gpu",
    "--disable-background-networking", "--disable-dev-shm-usage", "--force-color-profile=srgb",
    # Containers rarely allow one, and the only page shown is our own.
    "--no-sandbox",
]
# Chromium reads commands at descriptor 3 and answers at 4.
WIRED = 'exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null'


def find():
    """The program; none where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Page:
    """The only page of a browser of its own, which ends with the `with` block."""

    def __init__(self, program, folder):
        self.number = 0
        self.buffer = b""
        self.session = None
        # What the page's console and scripts complained of.
        self.complaints = []
        with open(folder / "chromium.log", "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", WIRED, program, *FLAGS, f"--user-data-dir={folder}/profile"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )

    def __enter__(self):
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def call(self, method, **params):
        """One command, and its result; what the page complains of meanwhile is kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        end = time.monotonic() + LIMIT
        while (answer := self.receive(end)).get("id") != self.number:
            self.note(answer)
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']}")
        return answer["result"]

    def receive(self, end):
        """The next message."""
        output = self.process.stdout.fileno()
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([output], [], [], max(0, end - time.monotonic()))
            data = os.read(output, 1 << 20) if ready else b""
            if not data:
                raise SystemExit("the browser says nothing more; see chromium.log")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def note(self, event):
        """Keeps complaints."""
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])

    def open(self, url):
        """Leads the page there."""
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        """What an expression is in the page; none while it cannot be told."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def wait_for(self, what, expression):
        """Until the page shows it."""
        end = time.monotonic() + LIMIT
        while not self.evaluate(expression):
            if time.monotonic() > end:
                shown = self.evaluate("document.body.innerText")
                raise SystemExit(f"waited {LIMIT} s for {what}; the page shows:\n{shown}")
            time.sleep(PACE)

    def picture(self, width, file):
        """All of the page, as it is drawn in a window so wide."""
        size = {"width": width, "height": 600, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        height = self.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        taken = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))
