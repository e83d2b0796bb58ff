"""The status page in a real browser shows a planned failover and a crash as they happen, without being loaded
again.

    main.py [--screenshot FILE]

With FILE it ends with a picture of the page, such as status-page.png beside this file. Exits with 77 where
there is no Chromium (`tests/setup.sh browser`).
"""

import argparse
import contextlib
import json
import pathlib
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "failover"))

import redis  # noqa: E402
from bed import Bed  # noqa: E402
from chromium import Page, find  # noqa: E402

CANNOT = 77
CLIENTS = 12
PACE = 0.02
WIDTH = 900
SIZE_MAX = 150_000
# What the page is to keep for as long as it is not loaded again.
MARK = "window.openedOnce"


@contextlib.contextmanager
def load(port):
    """Some clients at work, for there to be something to see."""
    ended = threading.Event()

    def work(number):
        client = redis.Redis("127.0.0.1", port, socket_timeout=None)
        while not ended.wait(PACE):
            # In a crash one command of each may be UNCERTAIN, which is not what is looked at here.
            with contextlib.suppress(redis.RedisError):
                client.incr(f"page:{number}")

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def place(element):
    """Where the page has this of its only endpoint, for an expression."""
    return f"document.querySelector('#all [data-at={element}]')"


def text(element):
    """What an element shows, for an expression."""
    return f"{place(element)}.innerText"


def shows(port):
    """That this is the primary, and commands flow."""
    return (
        f"{place('primary')} && {text('primary')} === '127.0.0.1:{port}'"
        f" && {text('gate')}.includes('open')"
    )


def follow(page, bed, what, fault):
    """Does that to the primary, and waits until the page shows it."""
    old = bed.primary()
    page.wait_for(f"the primary before the {what}", shows(old))
    fault()
    new = bed.primary()
    page.wait_for(f"the primary after the {what}", shows(new))
    line = f"127.0.0.1:{old} → 127.0.0.1:{new}"
    page.wait_for(f"the switch of the {what}", f"{text('switches')}.includes({json.dumps(line)})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--screenshot", type=pathlib.Path)
    options = parser.parse_args()
    program = find()
    if not program:
        print("there is no Chromium; tests/setup.sh browser installs one (some 200 MB)")
        return CANNOT
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bed = stack.enter_context(Bed(folder))
        stack.enter_context(load(bed.port))
        page = stack.enter_context(Page(program, folder))
        page.open(f"http://127.0.0.1:{bed.admin_port}/")
        page.wait_for("the page", shows(bed.primary()))
        page.evaluate(f"{MARK} = true")
        follow(page, bed, "planned failover", bed.plan_failover)
        bed.wait_settled()
        follow(page, bed, "crash", bed.crash)
        assert page.evaluate(MARK) is True, "the page was loaded again"
        assert page.evaluate("document.title") == "mymaster – Steadfast"
        assert not page.complaints, page.complaints
        if options.screenshot:
            page.wait_for("some calm", f"/ for [5-9] s/.test({text('gate')})")
            page.picture(WIDTH, options.screenshot)
            assert options.screenshot.stat().st_size < SIZE_MAX, "the picture is too large"
    return 0


if __name__ == "__main__":
    sys.exit(main())
