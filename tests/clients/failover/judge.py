"""What a program saw, against what the new primary holds: the facts, and what is wrong with them.

It deliberately talks to the primary directly: Steadfast does not help to judge itself.
"""

from collections import Counter

# Answers already under way when the primary died may be read this much later.
SETTLE = 0.3
# The moment the gate shuts or opens is seen by the observer a little later than by others.
EDGE = 0.05
# In a gap of twice the impatient ones' limit somebody must have given up.
LONG_ENOUGH = 1.0
# redis-py gives up on an answer after 5 s; a longer outage makes it close, whatever the proxy does.
SHORT_OUTAGE_MS = 4500
# Scenarios in which clients must not notice anything.
STRICT = ("calm", "planned")
UNCERTAIN = "UNCERTAIN"
LOCK = "session lock was not"
REFUSALS = ("MASTERDOWN", "MasterDown", "EXECABORT", "ExecAbort")
# Whoever lost the reply of a pure read or of a pop that still waited is served by asking again.
ASKED_AGAIN = ("reads", "pop")
SAMPLE = 5


class Verdict:
    """Facts about one program in one scenario, and complaints."""

    def __init__(self, scenario, fault_at, result):
        self.scenario = scenario
        self.strict = scenario in STRICT
        self.fault_at = fault_at
        self.result = result
        self.activities = result["activities"]
        self.facts = {}
        self.complaints = []

    def expect(self, holds, complaint):
        """Notes a complaint unless it holds."""
        if not holds:
            self.complaints.append(complaint)

    def add(self, fact, number):
        """Adds to a counted fact."""
        self.facts[fact] = self.facts.get(fact, 0) + number

    def acked(self, name):
        """Values an activity was told are written, with the times."""
        return self.activities[name]["acked"]

    def failed(self, name):
        """Values whose write raised, with the labels."""
        return dict(self.activities[name]["failed"])

    def check_written(self, what, values, stored, failed):
        """No value twice; none lost that had to survive; none there that was refused."""
        count = Counter(stored)
        twice = [value for value, times in count.items() if times > 1]
        lost = [(value, at) for value, at in values if value not in count]
        after = [value for value, at in lost if at > self.fault_at + SETTLE]
        refused = [v for v, name in failed.items() if is_refusal(name) and v in count]
        maybe = [v for v, name in failed.items() if not is_refusal(name) and v in count]
        self.add("acked", len(values))
        self.add("lost", len(lost))
        self.add("twice", len(twice))
        self.add("raised_but_there", len(maybe))
        self.expect(not twice, f"{what}: executed twice: {twice[:SAMPLE]}")
        self.expect(not refused, f"{what}: refused and executed: {refused[:SAMPLE]}")
        if self.strict:
            self.expect(not lost, f"{what}: {len(lost)} acknowledged and lost: {lost[:SAMPLE]}")
        else:
            self.expect(not after, f"{what}: acknowledged by the new primary, lost: {after[:SAMPLE]}")


def is_refusal(name):
    """Whether the server said that the command was not executed."""
    return any(word in name for word in REFUSALS)


def judge(scenario, fault_at, result, primary):
    """The verdict on one program; `primary` is a client of the new primary."""
    verdict = Verdict(scenario, fault_at, result)
    judge_errors(verdict)
    for name, key in result.get("lists", {}).items():
        stored = primary.lrange(key, 0, -1)
        verdict.check_written(key, verdict.acked(name), stored, verdict.failed(name))
    for key, counter in result.get("counters", {}).items():
        pair = (primary.llen(key), int(primary.get(counter) or 0))
        verdict.expect(pair[0] == pair[1], f"{key}: half a transaction: {pair}")
    for one in result.get("queues", []):
        judge_queue(verdict, one, primary)
    for feed in result.get("feeds", []):
        judge_feed(verdict, feed)
    judge_special(verdict, primary)
    return verdict


def judge_errors(verdict):
    """What was raised and logged, and whether everything goes on."""
    errors = Counter()
    for name, activity in verdict.activities.items():
        errors.update(activity["errors"])
        verdict.add("ok", activity["ok"])
        # A session lock whose release was in flight stays for its 30 s, with or without a proxy.
        locked = verdict.scenario == "crash" and any(LOCK in one for one in activity["errors"])
        gave_up = verdict.scenario == "crash" and worker_gave_up(verdict.result)
        if verdict.scenario != "refused" and not locked and not gave_up:
            verdict.expect(activity["went_on"], f"{name}: did not go on")
    pauses = [activity["longest_pause_ms"] for activity in verdict.activities.values()]
    logged = verdict.result.get("logged", []) + verdict.result.get("worker_log", [])
    verdict.facts |= {
        "longest_pause_ms": max(pauses),
        "errors": dict(errors),
        "logged": logged[:SAMPLE],
        "closes": verdict.result.get("closes", 0),
    }
    if "attempts" in verdict.result:
        return  # Its errors and closed sockets are its own doing.
    if verdict.strict:
        verdict.expect(not errors, f"raised: {dict(errors)}")
        verdict.expect(not logged, f"logged: {logged[:SAMPLE]}")
        expect_no_close(verdict)
    elif verdict.scenario == "crash":
        judge_crash_errors(verdict, errors)


def judge_crash_errors(verdict, errors):
    """In a crash only what was in flight is UNCERTAIN, once, and no connection is closed."""
    other = {name: n for name, n in errors.items() if UNCERTAIN not in name and LOCK not in name}
    verdict.expect(not other, f"raised besides UNCERTAIN: {other}")
    for name, activity in verdict.activities.items():
        uncertain = sum(n for text, n in activity["errors"].items() if UNCERTAIN in text)
        most = 0 if name in ASKED_AGAIN else activity["in_flight"]
        verdict.expect(uncertain <= most, f"{name}: {uncertain} UNCERTAIN, {most} allowed")
    # kombu closes its connections itself on any error reply, UNCERTAIN too.
    kombu = "worker_ends" in verdict.result
    if verdict.facts["longest_pause_ms"] < SHORT_OUTAGE_MS and not kombu:
        expect_no_close(verdict)


def expect_no_close(verdict):
    """No connection was closed, by whomever."""
    reasons = verdict.result.get("closed_for", [])
    verdict.expect(not verdict.facts["closes"], f"{verdict.facts['closes']} closed: {reasons}")


def judge_queue(verdict, one, primary):
    """Each element pushed is popped or still there; in a planned failover exactly once."""
    popped = [value for value, _ in verdict.acked(one["popped"])]
    rest = primary.lrange(one["key"], 0, -1)
    pushed = verdict.acked(one["pushed"])
    count = Counter(popped + rest)
    lost = [value for value, _ in pushed if value not in count]
    twice = [value for value, times in count.items() if times > 1]
    verdict.add("jobs", len(pushed))
    verdict.add("jobs_lost", len(lost))
    verdict.add("jobs_twice", len(twice))
    if verdict.strict:
        verdict.expect(not lost, f"{one['key']}: lost: {lost[:SAMPLE]}")
        verdict.expect(not twice, f"{one['key']}: popped twice: {twice[:SAMPLE]}")


def judge_feed(verdict, feed):
    """Each message that had receivers was received once, in order."""
    received = [value for name in feed["received"] for value, _ in verdict.acked(name)]
    count = Counter(received)
    twice = [value for value, times in count.items() if times > 1]
    last = max((int(value[1:]) for value in received), default=0)
    published = verdict.acked(feed["published"])
    missed = [one for one in published if int(one[0][1:]) <= last and one[0] not in count]
    late = [value for value, at in missed if at > verdict.fault_at + SETTLE]
    verdict.add("messages", len(received))
    verdict.add("messages_missed", len(missed))
    verdict.facts["to_nobody"] = verdict.result.get("to_nobody", 0)
    verdict.expect(not twice, f"received twice: {twice[:SAMPLE]}")
    for name in feed["received"]:
        numbers = [int(value[1:]) for value, _ in verdict.acked(name)]
        verdict.expect(numbers == sorted(numbers), f"{name}: out of order")
    if verdict.scenario != "refused":
        verdict.expect(not late, f"published after the switch, not received: {late[:SAMPLE]}")
        verdict.expect(not verdict.facts["to_nobody"], "published while nobody was subscribed")
    if verdict.strict:
        verdict.expect(not missed, f"published and not received: {missed[:SAMPLE]}")


def judge_special(verdict, primary):
    """What only one of the programs has."""
    result = verdict.result
    if "patient_pop" in result and verdict.scenario != "refused":
        got = result["patient_pop"]
        verdict.expect(got == ["late"], f"a pop without limit got {got}")
    if "worker_ends" in result:
        judge_worker(verdict)
    if "jobs" in result:
        jobs = result["jobs"]
        verdict.expect(not result["stalled"] or not verdict.strict, "a job stalled")
        judge_jobs(verdict, verdict.acked(jobs["sent"]), jobs["executed"])
    if "forgotten" in result:
        verdict.facts["sessions_forgotten"] = len(result["forgotten"])
        if verdict.strict:
            verdict.expect(not result["forgotten"], f"forgotten: {result['forgotten'][:SAMPLE]}")
    if "attempts" in result:
        judge_attempts(verdict, primary)


def judge_worker(verdict):
    """Celery: no task is lost; in a planned failover the worker lives, with the children it had.

    In a crash an error reply to the worker itself ends it, which takes it up to 30 s before it can
    be started again: told, and not held against Steadfast. Tasks then wait in the broker. Where the
    connection is closed in place of that reply, it must live.
    """
    result = verdict.result
    without = [value for value, _ in result["without_result"]]
    verdict.facts["without_result"] = len(without)
    verdict.facts["worker_ends"] = result["worker_ends"]
    if verdict.strict:
        verdict.expect(not result["worker_ends"], "the worker ended")
        verdict.expect(not result["children_replaced"], "the worker's children were replaced")
        verdict.expect(not without, f"no result: {without[:SAMPLE]}")
    elif verdict.scenario == "closed":
        verdict.expect(not result["worker_ends"], "the worker ended")
        verdict.expect(not worker_gave_up(result), "the worker gave up")
    elif verdict.scenario == "crash" and not worker_gave_up(result):
        late = [value for value, at in result["without_result"] if at > verdict.fault_at + SETTLE]
        verdict.expect(not result["worker_ends"], "the worker just ended")
        verdict.expect(not late, f"sent after the crash, no result: {late[:SAMPLE]}")
    judge_jobs(verdict, verdict.acked("send"), result["executed"], result["queued"])


def worker_gave_up(result):
    """Whether the worker said that an error reply ends it."""
    return any("Unrecoverable" in line for line in result.get("worker_log", []))


def judge_jobs(verdict, sent, executed, queued=()):
    """Jobs accepted against jobs executed, or at least still there."""
    count = Counter(executed)
    kept = set(executed) | (set() if verdict.strict else set(queued))
    lost = [value for value, _ in sent if value not in kept]
    late = [value for value, at in sent if value not in kept and at > verdict.fault_at + SETTLE]
    twice = [value for value, times in count.items() if times > 1]
    verdict.add("jobs", len(sent))
    verdict.add("jobs_lost", len(lost))
    verdict.add("jobs_twice", len(twice))
    if verdict.strict:
        verdict.expect(not lost, f"{len(lost)} jobs lost: {lost[:SAMPLE]}")
        verdict.expect(not twice, f"executed twice: {twice[:SAMPLE]}")
    else:
        verdict.expect(not late, f"accepted by the new primary, lost: {late[:SAMPLE]}")


def judge_attempts(verdict, primary):
    """Nothing twice, nothing acknowledged missing, nothing given up while held executed."""
    attempts = verdict.result["attempts"]
    begin, end = verdict.result["held"]
    count = Counter(primary.lrange(verdict.result["attempts_key"], 0, -1))
    acked = [(one["value"], one["ended"]) for one in attempts if one["outcome"] == "ok"]
    failed = {one["value"]: one["outcome"] for one in attempts if one["outcome"] != "ok"}
    verdict.check_written("attempts", acked, list(count.elements()), failed)
    held = [
        one["value"]
        for one in attempts
        if one["outcome"] == "given up" and one["sent"] > begin + EDGE and one["ended"] < end - EDGE
    ]
    given_up = [one for one in attempts if one["outcome"] == "given up"]
    executed = [value for value in held if value in count]
    verdict.facts["given_up"] = len(given_up)
    verdict.facts["given_up_and_there"] = sum(one["value"] in count for one in given_up)
    verdict.facts["given_up_while_held"] = len(held)
    verdict.facts["held_ms"] = round((end - begin) * 1000)
    if verdict.scenario in ("planned", "crash") and end - begin > LONG_ENOUGH:
        verdict.expect(held, "nobody gave up while held: this run shows nothing")
    verdict.expect(not executed, f"given up while held, yet executed: {executed[:SAMPLE]}")
