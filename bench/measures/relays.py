"""One, two and four relays on the same backlog; and one relay on backlogs of several sizes, with a plot."""

from support.backlog import Drain, drain
from support.bench import Bench
from support.plot import log_plot


def measure(bench: Bench) -> None:
    events = bench.size(200_000, 40_000)
    counts = (1, 2, 4)
    results = bench.in_turn(*[lambda n=n: drain(bench, events, ("payments-cron",) * n).rate for n in counts])
    for count, rates in zip(counts[1:], results[1:]):
        bench.report.add(f"{count} relays against one", rates, "events/s", baselines=results[0])
    _sizes(bench)


def _sizes(bench: Bench) -> None:
    sizes = [10_000, 100_000, 1_000_000] if not bench.quick else [5_000, 20_000, 80_000]
    drains: list[list[Drain]] = bench.in_turn(*[lambda size=size: drain(bench, size) for size in sizes])
    smallest = [result.rate for result in drains[0]]
    for size, results in zip(sizes, drains):
        bench.report.add(
            f"relay throughput, backlog of {size:,}", [result.rate for result in results], "events/s",
            baselines=None if size == sizes[0] else smallest)
    middle = [sorted(results, key=lambda result: result.seconds)[len(results) // 2] for results in drains]
    bench.report.plot("benchmarks-backlog.svg", log_plot(
        "One relay, by size of the backlog", "events waiting", sizes,
        [("events/s published", [result.rate for result in middle]),
         ("ms until the last one is on the topic", [result.seconds * 1000 for result in middle])]))
