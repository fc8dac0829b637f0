"""Instructions per request of the gRPC core, counted by callgrind. Counts repeat to 0.1 % where time is noisy.

bench/instructions.json stores the counts and the versions they were measured with. With these versions a count that
is more than 3 % higher fails the run; with other versions it is only shown. UPDATE_INSTRUCTIONS=1 rewrites the file.
"""

import json
import os
import subprocess
from pathlib import Path

from support import callgrind
from support.bench import Bench

KEPT = Path(__file__).resolve().parents[1] / "instructions.json"
MOST = {"inline": 18_000, "task": 22_000}
TOLERANCE = 1.03
# The part of the calls that tracing records: docs/tracing.md.
SAMPLED = 0.01


def measure(bench: Bench) -> None:
    counts = callgrind.measure()
    versions = _versions()
    if os.environ.get("UPDATE_INSTRUCTIONS"):
        kept = {"versions": versions, "instructions": {method: round(count) for method, count in counts.items()}}
        KEPT.write_text(json.dumps(kept, indent=2) + "\n")
    kept = json.loads(KEPT.read_text())
    is_pinned = kept["versions"] == versions
    for method, count in counts.items():
        name = "inline" if method == "inline" else "as a task"
        bench.report.add(
            f"instructions a GetPing, handler {name}", [count], "", target=f"≤ {MOST[method]:,}",
            meets=lambda value, _, most=MOST[method]: value <= most)
        gate = {"target": f"≤ {TOLERANCE:g}×", "meets": lambda _, ratio: ratio <= TOLERANCE} if is_pinned else {}
        bench.report.add(
            f"instructions a GetPing, handler {name}, against the kept figure"
            + ("" if is_pinned else " of other versions"), [count], "", baselines=[kept["instructions"][method]], **gate)
    for method, count in callgrind.measure_traced(SAMPLED).items():
        bench.report.add(
            f"instructions a GetPing, handler {'inline' if method == 'inline' else 'as a task'}, with {SAMPLED:.0%} of the"
            " calls recorded, against none", [count], "", baselines=[round(counts[method])],
            target=f"≤ {TOLERANCE:g}×", meets=lambda _, ratio: ratio <= TOLERANCE)


def _versions() -> dict[str, str]:
    """What the counts depend on apart from our code; libc chooses functions by the features of the processor."""
    packages = ("libnghttp2-14", "libc6", "nghttp2-client", "valgrind")
    shown = {package: _output("dpkg-query", "-W", "-f", "${Version}", package) for package in packages}
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    return {"swift": _output("swift", "--version").splitlines()[0], **shown, "avx2": str("avx2" in flags.split())}


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
