#!/usr/bin/env python3
"""Steadfast, other proxies and a direct connection, side by side in front of one server.

Rounds are interleaved and begin with another target each time, so that a machine that gets slower or
faster meanwhile does so for all; each ratio is to the reference in the same round. Client, server and
proxies share this machine's cores, and whatever else runs on it shows in the spread.

What a failover costs is not measured here: that is what the tests are for.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path

import chart
import disturbance
import loads
import report
import targets as targets_of
from bed import GENERATOR, Bed, Failed, program, raise_descriptor_limit

ALL = "direct,haproxy,envoy,twemproxy,session,shared"
QUICK_SCALE = 0.05
QUICK_GROWTH = 100  # clients
GROWTH_ROUNDS_MAX = 3
OVERHEAD = 0.25  # seconds to start and connect whatever makes one measurement
# A proxy makes most rows take longer than the reference does.
SLOWER = 1.2


def say(text):
    print(text, file=sys.stderr, flush=True)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="rows, such as get50,set50,p16 or growth")
    parser.add_argument(
        "--targets", default=ALL,
        help="columns, of " + ALL + ", floor (the least a proxy can do; GET only), or NAME=PATH or 'NAME=PATH --flag ...' for any build",
    )
    parser.add_argument("--reference", default="", help="the column that ratios are to")
    parser.add_argument("--json", metavar="FILE", help="write every sample")
    parser.add_argument("--out", metavar="DIR", help="write results.md and the charts")
    parser.add_argument("--render", metavar="FILE", help="measure nothing: show these samples")
    parser.add_argument("--generator", default=str(GENERATOR), metavar="FILE", help="its program")
    parser.add_argument("--quick", action="store_true", help="one short round; the figures mean little")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    if options.rounds < 1:
        parser.error("--rounds: at least one")
    return options


def reference_of(options, chosen):
    """`direct` where it takes part; else `base`, the usual name of an older build; else the last."""
    names = [target.name for target in chosen]
    if options.reference and options.reference not in names:
        raise SystemExit(f"--reference: {options.reference} is none of {', '.join(names)}")
    wanted = [options.reference, "direct", "base", names[-1]]
    return next(name for name in wanted if name in names)


def machine():
    release = ".".join(platform.release().split("-")[0].split(".")[:2])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    server = targets_of.Direct()
    return {
        "cores": os.cpu_count(), "kind": platform.machine(), "memory_gib": round(memory),
        "system": f"{platform.system()} {release}",
        "server": f"{Path(server.path).name} {server.version()}",
        "benchmark": Path(program("valkey-benchmark", "redis-benchmark")).name,
    }


def keep(options, results):
    """Writes the samples there are, so that whatever ends a long run leaves those of whole rounds."""
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1) + "\n")


class Run:
    """One comparison, which fills `results`."""

    def __init__(self, bed, options, chosen, rows, notes):
        self.bed, self.chosen, self.rows = bed, chosen, rows
        self.scale = QUICK_SCALE if options.quick else 1.0
        self.options, self.rounds = options, options.rounds
        self.instances = {}
        self.refused = set()
        self.results = {
            "date": datetime.date.today().isoformat(), "machine": machine(),
            "rounds": options.rounds, "quick": options.quick, "notes": notes,
            "reference": reference_of(options, chosen),
            "targets": [{"name": each.name, "version": each.version()} for each in chosen],
            "rows": [{"key": row.key, "name": row.name} for row in rows],
            "samples": {row.key: {each.name: [] for each in chosen} for row in rows},
        }

    def instance(self, target, row):
        wanted = (target.name, row.threads, row.secured)
        if wanted not in self.instances:
            self.instances[wanted] = target.start(self.bed, row.threads or None, row.secured)
        return self.instances[wanted]

    def measure(self, target, row, scale):
        """The figures, or none and a note where there are none to be had."""
        if (target.name, row.key) in self.refused:
            return None
        instance = None
        try:
            instance = target.start(self.bed) if row.fresh else self.instance(target, row)
            return row.measure(self.bed, instance, scale)
        except Failed as reason:
            self.refused.add((target.name, row.key))
            self.results["notes"].append(f"{target.name}, {row.name}: {reason}")
            say(self.results["notes"][-1])
            return None
        finally:
            if row.fresh and instance and instance.child:
                self.bed.end(instance.child)

    def turn(self, row, number, scale):
        """All targets once, each in its turn the first, which meets a colder cache."""
        self.bed.server.store(row.value_len)
        shift = number % len(self.chosen)
        for target in self.chosen[shift:] + self.chosen[:shift]:
            yield target.name, self.measure(target, row, scale)

    def warm(self):
        for row in self.rows:
            if row.warms:
                for _ in self.turn(row, 0, min(self.scale, loads.WARM_SCALE)):
                    pass

    def go(self):
        began = time.monotonic()
        self.warm()
        say(f"warm after {time.monotonic() - began:.0f} s")
        for number in range(self.rounds):
            for row in self.rows:
                if isinstance(row, loads.Growth) and number >= GROWTH_ROUNDS_MAX:
                    continue
                for name, sample in self.turn(row, number, self.scale):
                    self.results["samples"][row.key][name].append(sample)
            keep(self.options, self.results)
            took = time.monotonic() - began
            say(f"round {number + 1} of {self.rounds} is done after {took:.0f} s")
        self.results["load_average"] = round(os.getloadavg()[0], 1)
        return self.results


def estimate(rows, columns, rounds, scale):
    """Seconds, roughly."""
    total = 0.0
    for row in rows:
        times = min(rounds, GROWTH_ROUNDS_MAX) if isinstance(row, loads.Growth) else rounds
        warm = min(scale, loads.WARM_SCALE) if row.warms else 0
        total += columns * (row.seconds * SLOWER * (times * scale + warm) + times * OVERHEAD)
    return total


def pick_rows(options, clients_max):
    rows, growth = loads.choose(options.only, disturbance.ROWS)
    if options.quick:
        growth = [row for row in growth if row.clients <= QUICK_GROWTH]
    fitting = [row for row in growth if row.clients <= clients_max]
    left_out = [
        f"{row.clients:,} clients need a higher limit of open files: left out"
        for row in growth if row not in fitting
    ]
    return rows + fitting, left_out


def compare(options):
    for needed in (("valkey-server", "redis-server"), ("valkey-benchmark", "redis-benchmark")):
        if not program(*needed):
            raise SystemExit(f"needs {' or '.join(needed)}: tests/setup.sh server")
    if not Path(options.generator).exists():
        raise SystemExit("needs the load generator: cargo build --release --example load")
    rows, left_out = pick_rows(options, raise_descriptor_limit())
    chosen, notes = targets_of.choose(options.targets)
    notes += left_out
    if options.targets == ALL:
        notes.append(targets_of.NOT_PACKAGED)
    for note in notes:
        say(note)
    scale = QUICK_SCALE if options.quick else 1.0
    seconds = estimate(rows, len(chosen), options.rounds, scale)
    names = ", ".join(target.name for target in chosen)
    say(f"{names}: {len(rows)} rows, {options.rounds} rounds, about {seconds / 60:.1f} minutes")
    with tempfile.TemporaryDirectory(prefix="steadfast-bench-") as home, \
            contextlib.closing(Bed(home, options.generator)) as bed:
        return Run(bed, options, chosen, rows, notes).go()


def main():
    options = read_options()
    # Whatever ends this ends the processes it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.render:
        results = json.loads(Path(options.render).read_text())
    else:
        results = compare(options)
    keep(options, results)
    text = report.markdown(results)
    print(text)
    if options.out:
        folder = Path(options.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.md").write_text(text)
        for name, drawing in chart.drawings(results).items():
            (folder / name).write_text(drawing)
        say(f"written: {folder}/results.md and its charts")
    samples = [each for row in results["samples"].values() for cell in row.values() for each in cell]
    if not any(samples):
        raise SystemExit("nothing could be measured")


if __name__ == "__main__":
    main()
