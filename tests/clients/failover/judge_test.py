"""The judge itself, on made-up results: each thing that must not happen is noticed."""

import unittest

from judge import judge

FAULT_AT = 100.0
BEFORE, AFTER = 99.0, 102.0


class Primary:
    """What the new primary holds."""

    def __init__(self, **lists):
        self.lists = lists

    def lrange(self, key, *_):
        """A whole list."""
        return self.lists.get(key, [])

    def llen(self, key):
        """Its length."""
        return len(self.lists.get(key, []))

    def get(self, key):
        """A counter."""
        return self.lists.get(key)


def activity(acked=(), failed=(), errors=None, went_on=True):
    """One activity's report."""
    return {
        "ok": len(acked),
        "errors": errors or {},
        "in_flight": 1,
        "went_on": went_on,
        "longest_pause_ms": 900,
        "acked": [list(one) for one in acked],
        "failed": [list(one) for one in failed],
    }


def complaints(scenario, activities, primary=Primary(), **more):
    """What the judge finds wrong."""
    return judge(scenario, FAULT_AT, {"activities": activities, **more}, primary).complaints


def written(scenario, stored, acked=(), failed=()):
    """Complaints about one list."""
    plain = {"plain": activity(acked, failed)}
    return complaints(scenario, plain, Primary(key=stored), lists={"plain": "key"})


class Lists(unittest.TestCase):
    """Values written."""

    def test_all_well(self):
        self.assertEqual(written("planned", ["a"], [("a", BEFORE)]), [])

    def test_twice(self):
        for scenario in ("planned", "crash", "refused"):
            self.assertTrue(written(scenario, ["a", "a"], [("a", BEFORE)]))

    def test_lost(self):
        self.assertTrue(written("planned", [], [("a", BEFORE)]))
        self.assertEqual(written("crash", [], [("a", BEFORE)]), [])
        self.assertTrue(written("crash", [], [("a", AFTER)]))

    def test_refused_and_executed(self):
        self.assertTrue(written("refused", ["a"], failed=[("a", "MasterDownError: x")]))
        self.assertEqual(written("crash", ["a"], failed=[("a", "ResponseError: UNCERTAIN")]), [])

    def test_half_a_transaction(self):
        found = complaints(
            "crash", {"t": activity()}, Primary(key=["a"], count="2"), counters={"key": "count"}
        )
        self.assertTrue(found)


class Errors(unittest.TestCase):
    """What was raised, logged, closed."""

    def test_planned_allows_nothing(self):
        self.assertTrue(complaints("planned", {"plain": activity(errors={"UNCERTAIN": 1})}))
        self.assertTrue(complaints("planned", {"plain": activity()}, logged=["x"]))
        self.assertTrue(complaints("planned", {"plain": activity()}, worker_log=["x"]))
        self.assertTrue(complaints("planned", {"plain": activity()}, closes=1))
        self.assertTrue(complaints("planned", {"plain": activity(went_on=False)}))

    def test_crash_allows_one_uncertain_per_command_in_flight(self):
        self.assertEqual(complaints("crash", {"plain": activity(errors={"UNCERTAIN": 1})}), [])
        self.assertTrue(complaints("crash", {"plain": activity(errors={"UNCERTAIN": 2})}))
        self.assertTrue(complaints("crash", {"reads": activity(errors={"UNCERTAIN": 1})}))
        self.assertTrue(complaints("crash", {"plain": activity(errors={"READONLY": 1})}))
        self.assertTrue(complaints("crash", {"plain": activity()}, closes=1))


class Others(unittest.TestCase):
    """Queues, feeds, jobs, sessions, attempts."""

    def test_queue(self):
        queue = [{"key": "key", "pushed": "push", "popped": "pop"}]
        push = activity([("a", BEFORE)])
        one, two = activity([("a", BEFORE)]), activity([("a", BEFORE), ("a", AFTER)])
        for pop, well in ((one, True), (two, False), (activity(), False)):
            found = complaints("planned", {"push": push, "pop": pop}, queues=queue)
            self.assertEqual(not found, well, found)

    def test_feed(self):
        feeds = [{"published": "publish", "received": ["receive"]}]
        sent = activity([("n1", BEFORE), ("n2", BEFORE), ("n3", AFTER)])
        cases = {"n1 n2 n3": True, "n1 n3": False, "n1 n1 n2 n3": False, "n2 n1 n3": False}
        for received, well in cases.items():
            got = activity([(value, AFTER) for value in received.split()])
            found = complaints("planned", {"publish": sent, "receive": got}, feeds=feeds)
            self.assertEqual(not found, well, found)

    def test_worker(self):
        sent = {"send": activity([("a", BEFORE)])}
        well = {
            "worker_ends": 0,
            "children_replaced": 0,
            "executed": ["a"],
            "queued": [],
            "without_result": [],
            "worker_log": [],
        }
        self.assertEqual(complaints("planned", sent, **well), [])
        for fault in (
            {"worker_ends": 1},
            {"children_replaced": 1},
            {"executed": []},
            {"executed": ["a", "a"]},
            {"without_result": [["a", BEFORE]]},
        ):
            self.assertTrue(complaints("planned", sent, **well | fault), fault)
        ended = well | {"worker_ends": 1}
        self.assertTrue(complaints("crash", sent, **ended))
        gave_up = ended | {"worker_log": ["Unrecoverable error"]}
        self.assertEqual(complaints("crash", sent, **gave_up), [])
        late = {"send": activity([("a", BEFORE), ("b", AFTER)])}
        self.assertTrue(complaints("crash", late, **gave_up))
        self.assertEqual(complaints("crash", late, **gave_up | {"queued": ["b"]}), [])

    def test_sessions(self):
        forgotten = [[5, 3, AFTER]]
        self.assertTrue(complaints("planned", {"request": activity()}, forgotten=forgotten))

    def test_attempts(self):
        held = {"value": "a", "sent": 100.2, "ended": 100.7, "outcome": "given up"}
        more = {"attempts": [held], "attempts_key": "key", "held": [100.0, 101.5]}
        self.assertEqual(complaints("planned", {"pool": activity()}, **more), [])
        self.assertTrue(complaints("planned", {"pool": activity()}, Primary(key=["a"]), **more))
        early = held | {"sent": 99.9}
        seen = complaints("planned", {"pool": activity()}, **more | {"attempts": [held, early]})
        self.assertEqual(seen, [])
        alone = more | {"attempts": [early]}
        self.assertTrue(complaints("planned", {"pool": activity()}, **alone), "shows nothing")


if __name__ == "__main__":
    unittest.main()
