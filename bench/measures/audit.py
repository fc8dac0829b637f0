"""`paysaga audit` on a topic with 32 partitions that holds every event, one event per payment. The relay has
published them (lz4), so tables and topic agree; the command's answer is checked.
"""

import json
import os
import subprocess
import time

from harness.process import BINARIES, clean_environment
from support.bench import PARTITIONS, Bench, connect, wait_for
from support.sql import OPEN_PAYMENTS, WAITING


def measure(bench: Bench) -> None:
    events = bench.size(1_000_000, 50_000)
    with bench.database() as dsn, bench.broker(payment=PARTITIONS) as broker:
        with connect(dsn) as connection:
            connection.execute(OPEN_PAYMENTS, [1, events])
            connection.execute(WAITING, [1, events])
            with bench.programs("payments-cron", dsn=dsn, broker=broker) as [relay]:
                wait_for(lambda: relay.metric("paysaga_outbox_published_total") >= events, 600, 0.2)
            connection.execute("CHECKPOINT")
        settings = clean_environment() | {"DB_DSN": dsn, "KAFKA_BROKERS": broker.brokers}
        found = [_audit(settings, events) for _ in range(bench.runs)]
    seconds, memory = map(list, zip(*found))
    bench.report.add(
        f"audit of {events:,} events, {PARTITIONS} partitions", seconds, "s", target="≤ 20 s",
        meets=lambda value, _: value <= 20)
    bench.report.add(
        f"resident memory of the audit of {events:,} events", memory, "MiB", target="≤ 200 MiB",
        meets=lambda value, _: value <= 200)


def _audit(settings: dict[str, str], events: int) -> tuple[float, float]:
    """Seconds, and the peak of resident MiB."""
    began = time.monotonic()
    child = subprocess.Popen(
        [BINARIES / "paysaga", "audit", "--json"], env=settings, stdout=subprocess.PIPE, text=True, cwd="/")
    answer = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"exit {child.returncode}: {answer}"
    report = json.loads(answer)
    assert report["done"] == report["messages"] == report["payments"] == events, report
    return seconds, usage.ru_maxrss / 1024
