"""Instructions a request of the gRPC core, counted by callgrind: they repeat to 0.1 % where time is noisy.

bench/instructions.json keeps the figures with the versions they belong to. With these versions the counts are a gate, with
3 % of tolerance; with others they are only shown. UPDATE_INSTRUCTIONS=1 writes the file anew.
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


def _versions() -> dict[str, str]:
    """What the counts depend on beside our code; libc chooses its functions by what the processor has."""
    packages = ("libnghttp2-14", "libc6", "nghttp2-client", "valgrind")
    shown = {package: _output("dpkg-query", "-W", "-f", "${Version}", package) for package in packages}
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    return {"swift": _output("swift", "--version").splitlines()[0], **shown, "avx2": str("avx2" in flags.split())}


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
