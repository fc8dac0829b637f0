"""A REPEATABLE READ snapshot stays open for a minute while 6,000 events a second are committed: the backlog stays
small. The value is the largest backlog of the second half; the baseline is the same without the snapshot.
"""

import contextlib
import time

from support.bench import PARTITIONS, Bench, connect
from support.writers import EventWriter

RATE = 6_000


def measure(bench: Bench) -> None:
    seconds = bench.size(60, 10)
    plain = _backlog(bench, seconds, holds=False)
    held = _backlog(bench, seconds, holds=True)
    bench.report.add(
        f"most events waiting under a snapshot held for {seconds} s at {RATE:,} events/s", [held], "events",
        baselines=[plain], target=f"≤ {RATE}", meets=lambda value, _: value <= RATE)


def _backlog(bench: Bench, seconds: int, *, holds: bool) -> float:
    with contextlib.ExitStack() as stack:
        dsn = stack.enter_context(bench.database())
        broker = stack.enter_context(bench.broker(payment=PARTITIONS))
        [relay] = stack.enter_context(bench.programs("payments-cron", dsn=dsn, broker=broker))
        reader = stack.enter_context(connect(dsn))
        if holds:
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM event")
        writer = stack.enter_context(EventWriter(dsn, RATE, batch=60))
        began = time.monotonic()
        samples = []
        while (elapsed := time.monotonic() - began) < seconds:
            published = relay.metric("paysaga_outbox_published_total")
            samples.append((elapsed, writer.committed - published))
            time.sleep(0.1)
        reached = writer.committed / seconds
        assert reached > RATE * 0.9, f"the writer reached {reached:.0f} events/s instead of {RATE}"
    return max(1, max(backlog for elapsed, backlog in samples if elapsed > seconds / 2))
