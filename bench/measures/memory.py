"""Resident memory of the programs that relay, with a backlog of a million events; backlog.py has the consumer's.

The value is the most there ever was; the last row is what the second half of the work added to the first half's most.
"""

from support.backlog import drain
from support.bench import Bench


def measure(bench: Bench) -> None:
    backlog = bench.size(1_000_000, 100_000)
    for program in ("payments-cron", "payments-server"):
        samples = [memory for _, [memory] in drain(bench, backlog, (program,)).memory]
        half = len(samples) // 2
        name = f"resident memory of {program}, {backlog:,} events waiting"
        bench.report.add(name, [max(samples)], "MiB", target="≤ 64 MiB", meets=lambda value, _: value <= 64)
        bench.report.add(
            f"{name}, growth in the second half", [max(samples[half:]) - max(samples[:half])], "MiB",
            target="≤ 4 MiB", meets=lambda value, _: value <= 4)
