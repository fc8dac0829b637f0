"""Resident memory of the programs with a relay, with a backlog of a million events; backlog.py measures the consumer.
The value is the peak; the last row is the growth of the peak from the first half of the work to the second.
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
