"""What the topics for readers of older systems cost: payments taken in by the surface `payments`, whose gateway writes a
message to `payments` when it takes a payment in and one to `paymentsResults` at its end, compared with the same payments
by `/v1`, which are on the pipeline's topics alone. Both are paid from an account outside; the imitated bank answers without
delay, fsynced.

Counted are, for each payment, the user and system time of gateway, processor and all processes of PostgreSQL, WAL, the
growth of the database's files, and events, from the load's start until every payment is final and every event is DONE. The
surface's caller gets a smaller answer and is checked otherwise, so that not all of the difference is the topics'.
"""

import time
from dataclasses import dataclass

from support import usage
from support.bench import Bench, connect, wait_for
from support.direct import TOPICS, direct, finished

CALLERS, WARM_UP = 64, 500
SURFACE_TOPICS = {"payments": 3, "paymentsResults": 3}
NAMES = {
    "gateway": ("CPU of payments-gateway", "µs"), "processor": ("CPU of payments-processor", "µs"),
    "postgres": ("CPU of PostgreSQL", "µs"), "wal": ("WAL", "bytes"), "disk": ("growth of the files", "bytes"),
    "events": ("events", ""),
}


@dataclass(frozen=True)
class Run:
    cost: dict[str, float]
    seconds: float


def measure(bench: Bench) -> None:
    count = bench.size(40_000, 3_000)
    surface, plain = bench.in_turn(lambda: _run(bench, "surface", count), lambda: _run(bench, "account", count))
    for figure, (words, unit) in NAMES.items():
        bench.report.add(
            f"{words} a payment of the surface, against one of /v1", [run.cost[figure] for run in surface], unit,
            baselines=[run.cost[figure] for run in plain])
    bench.report.add(
        "payments of the surface, from the first to the last event, against those of /v1",
        [count / run.seconds for run in surface], "/s", baselines=[count / run.seconds for run in plain])


def _run(bench: Bench, method: str, count: int) -> Run:
    with direct(bench, topics=TOPICS | SURFACE_TOPICS, GATEWAY_PAYMENTS_ADDR="127.0.0.1:0") as parts:
        port = parts.gateway.surface_port("payments") if method == "surface" else parts.gateway.http_port

        def pay(number: int) -> float:
            """The seconds until all is told."""
            before = finished(parts.dsn)
            answer = bench.load("pay", address=f"127.0.0.1:{port}", connections=CALLERS, count=number, method=method)
            start = time.monotonic()
            waiting = "SELECT FROM gateway.event_wait UNION ALL SELECT FROM processing.event_wait LIMIT 1"
            with connect(parts.dsn) as connection:
                ended = wait_for(
                    lambda: finished(parts.dsn) == before + number and not connection.execute(waiting).fetchall(), 300)
            return answer["seconds"] + ended - start

        pay(WARM_UP)
        own = {"gateway": parts.gateway, "processor": parts.processor}
        used = {name: usage.of_process(program.handle.pid) for name, program in own.items()}
        server, written, events = usage.of_server(parts.dsn), usage.written(parts.dsn), _events(parts.dsn)
        seconds = pay(count)
        cost = {name: (usage.of_process(program.handle.pid) - used[name]).cpu / count * 1e6
                for name, program in own.items()}
        cost["postgres"] = (usage.of_server(parts.dsn) - server).cpu / count * 1e6
        written = usage.written(parts.dsn) - written
        cost |= {"wal": written.wal / count, "disk": written.disk / count,
                 "events": (_events(parts.dsn) - events) / count}
        return Run(cost, seconds)


def _events(dsn: str) -> int:
    """Those of gateway and processing that are DONE."""
    with connect(dsn) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM gateway.event_done) + (SELECT count(*) FROM processing.event_done)").fetchone()[0]
