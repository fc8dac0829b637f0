"""Runs the benchmarks one at a time and prints the table; see bench/run."""

import importlib
import os
import signal
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The programs under test are handled as the end to end tests handle them, PostgreSQL as the local stack does.
sys.path[:0] = [str(HERE), str(HERE.parent / "tests/e2e"), str(HERE.parent / "internal/stack")]

from support.bench import Bench  # noqa: E402
from support.report import Report  # noqa: E402

MEASURES = [
    "rpc", "instructions", "connections", "settle", "create", "consume", "backlog", "relay", "latency", "cost", "relays", "reading",
    "audit", "memory", "snapshot", "ledger", "growth", "direct", "waiters", "webhooks",
    "reconcile", "replay", "surfaces", "years",
]


def chosen() -> list[str]:
    """The benchmarks named in ONLY, all without it."""
    names = os.environ.get("ONLY", "").replace(",", " ").split() or MEASURES
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        sys.exit(f"error: ONLY names {' '.join(unknown)}; there are {' '.join(MEASURES)}")
    return names


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = chosen()
    quick = os.environ.get("BENCH_QUICK", "") not in ("", "0")
    report = Report(quick=quick)
    failed = []
    bench = Bench(Path(os.environ["BENCH_DIR"]), quick, report)
    for name in names:
        began = time.monotonic()
        print(f"==> {name}", file=sys.stderr, flush=True)
        try:
            measure = importlib.import_module(f"measures.{name}")
            report.begin(name, measure.__doc__)
            measure.measure(bench)
        except Exception:  # noqa: BLE001 - the others are still worth having
            traceback.print_exc()
            failed.append(name)
        finally:
            bench.clear()
        print(f"    {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    report.print()
    report.write_json(HERE / "results.json")
    if failed:
        print(f"error: no result of {' '.join(failed)}", file=sys.stderr)
        return 1
    if "--keep" in sys.argv:
        if quick:
            print("error: a quick run is not kept", file=sys.stderr)
            return 1
        report.write_document(HERE.parent / "docs", MEASURES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
