"""The benchmark's tool works: one short run of it measures every kind of row and draws its charts.

The figures of so short a run of a build for debugging are worth nothing, and are not looked at beyond
being there.
"""

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ["STEADFAST"])
SESSION = f"session={BINARY} --pool session"
WANTED = {
    "get50": {"rate", "cpu_us", "opened"}, "php": {"rate", "cpu_us", "opened_per_1000"},
    "p99": {"p50_ms", "p99_ms", "late_p99_ms"}, "idle": {"rss_kib", "opened"},
    "clients10": {"rate", "cpu_us", "rss_kib", "opened"},
}

with tempfile.TemporaryDirectory() as home:
    home = Path(home)
    subprocess.run(
        [
            sys.executable, ROOT / "benches/side_by_side.py", "--quick",
            "--targets", f"direct,{SESSION}", "--only", "get50,php,p99,idle,growth",
            "--generator", BINARY.parent / "examples/load",
            "--json", home / "samples.json", "--out", home,
        ],
        check=True,
    )
    results = json.loads((home / "samples.json").read_text())
    for key, metrics in WANTED.items():
        (sample,) = results["samples"][key]["session"]
        assert metrics <= set(sample), (key, sample)
    (idle,) = results["samples"]["idle"]["session"]
    assert idle["opened"] == 200, "each of the idle clients has a connection of its own"
    (p99,) = results["samples"]["p99"]["session"]
    assert 0 < p99["p50_ms"] <= p99["p99_ms"], p99
    text = (home / "results.md").read_text()
    assert "| GET 32 B, 50 clients |" in text and "per idle client" in text, text
    for chart in ("throughput.svg", "growth.svg"):
        xml.etree.ElementTree.parse(home / chart)
print("every kind of row was measured and drawn")
