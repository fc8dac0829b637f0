"""The cost of a payment: its message, its opening, its settlement by UpdatePaymentStatus, and its two events on the topic
and DONE, through payments-consumer, payments-server and payments-cron.

Counted are the user and system time of the programs and of all processes of PostgreSQL, context switches, WAL and the
lasting growth of the database's files, for each payment, from the load's start until all events are DONE. bench-load makes the
load: it produces the messages at a rate (or all at once, a backlog), settles each payment when its first event can be
read, and notes when events came. At a rate above what the machine can do, the rest is a backlog too. devkafka answers an
empty fetch only after fetch.wait.max.ms, so reader and consumer set 1 ms on it; on the broker of KAFKA_BROKERS the
defaults apply.

bench/cost.json stores figures and the machine and versions that they were measured with. There a figure that exceeds the
stored one by more than the tolerance fails the run; elsewhere, and in a quick run, it is only shown. UPDATE_COST=1
writes the file; that is for a machine with nothing else to do.
"""

import json
import os
import platform
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness.process import Program

from support import usage
from support.bench import Bench, connect, wait_for
from support.report import machine
from support.writers import FETCH_WAIT_MS

KEPT = Path(__file__).resolve().parents[1] / "cost.json"
PARTITIONS = 4
WARM_UP = 2_000
PROGRAMS = ("payments-consumer", "payments-server", "payments-cron")
# Messages a second; 0 is a backlog.
RATES = (500, 5_000, 20_000, 0)
# What a figure may be of the stored one. Times depend on who else is at work on the machine; bytes do not.
TOLERANCE = {"programs": 1.15, "postgres": 1.15, "switches": 1.3, "wal": 1.05, "disk": 1.1}
# In a backlog.
TARGETS = {"programs": 60, "postgres": 110, "wal": 2_200, "disk": 1_600}
NAMES = {
    "programs": ("CPU of the programs", "µs"), "postgres": ("CPU of PostgreSQL", "µs"),
    "switches": ("context switches of both", ""), "wal": ("WAL", "bytes"), "disk": ("lasting growth of the files", "bytes"),
}


@dataclass
class Run:
    """What one run cost a payment, and its times."""

    cost: dict[str, float]
    # CPU of each program, and of the broker and Redis where they are ours: µs a payment.
    parts: dict[str, float]
    answer: dict

    @property
    def relay(self) -> float:
        """µs of payments-cron for an event."""
        return self.parts["payments-cron"] / 2


def measure(bench: Bench) -> None:
    results = dict(zip(RATES, bench.in_turn(*[lambda rate=rate: _run(bench, rate) for rate in RATES])))
    versions = _versions()
    if os.environ.get("UPDATE_COST"):
        if bench.quick:
            raise RuntimeError("a quick run is not kept")
        _keep(versions, results)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {"versions": None, "cost": {}}
    is_pinned = kept["versions"] == versions and not bench.quick
    for rate, runs in results.items():
        _report(bench, rate, runs, kept["cost"].get(_name(rate)), is_pinned)
    _report_relay(bench, results)


def _keep(versions: list[str], results: dict[int, list[Run]]) -> None:
    cost = {_name(rate): {figure: round(median(run.cost[figure] for run in runs), 1) for figure in NAMES}
            for rate, runs in results.items()}
    KEPT.write_text(json.dumps({"versions": versions, "cost": cost}, indent=2) + "\n")


def _report(bench: Bench, rate: int, runs: list[Run], kept: dict[str, float] | None, is_pinned: bool) -> None:
    name = _name(rate)
    for figure, (words, unit) in NAMES.items():
        tolerance, target = TOLERANCE[figure], TARGETS.get(figure)
        values = [run.cost[figure] for run in runs]
        judged = {}
        if rate == 0 and target:
            judged = {"target": f"≤ {target:,}", "meets": lambda value, _, target=target: value <= target}
        bench.report.add(f"{words} a payment, {name}", values, unit, **judged)
        if kept:
            gate = {"target": f"≤ {tolerance:g}×", "meets": lambda _, ratio, most=tolerance: ratio <= most}
            bench.report.add(
                f"{words} a payment, {name}, against the kept figure" + ("" if is_pinned else " of other circumstances"),
                values, unit, baselines=[kept[figure]] * len(values), **(gate if is_pinned else {}))
    for part in runs[0].parts:
        bench.report.add(f"CPU of {part} a payment, {name}", [run.parts[part] for run in runs], "µs")
    bench.report.add(f"payments, {name}", [run.answer["orders"] / run.answer["seconds"] for run in runs], "/s")
    if rate == 0:
        return
    for leg, words in (("opened", "message → payment event"), ("settled", "call → settled event")):
        for share in ("p50", "p99"):
            bench.report.add(
                f"{words}, {name}, {share}", [run.answer[f"{leg}_{share}_us"] / 1000 for run in runs], "ms")


def _report_relay(bench: Bench, results: dict[int, list[Run]]) -> None:
    backlog = [run.relay for run in results[0]]
    for rate in RATES[:-1]:
        judged = {"target": "≤ 1.5×", "meets": lambda _, ratio: ratio <= 1.5} if rate == 5_000 else {}
        bench.report.add(f"CPU of the relay an event, {_name(rate)}, against a backlog", [run.relay for run in results[rate]],
                         "µs", baselines=backlog, **judged)


def _name(rate: int) -> str:
    return f"{rate:,}/s" if rate else "backlog"


def _run(bench: Bench, rate: int) -> Run:
    # 500 a second for as long as 60,000 payments take would be two minutes.
    count = bench.size(15_000 if rate == 500 else 60_000, 5_000)
    with ExitStack() as stack:
        dsn = stack.enter_context(bench.database())
        broker = stack.enter_context(bench.kafka(inventory=PARTITIONS, dead=1, payment=PARTITIONS))
        is_ours = not os.environ.get("KAFKA_BROKERS")
        settings = {
            "REDIS_DSN": bench.redis_dsn, "CONSUMER_GROUP": f"bench-{time.monotonic_ns()}", "CRON_ENABLED": "false",
            "CONSUMER_TOPIC": broker.topics["inventory"], "PRODUCER_TOPIC": broker.topics["payment"],
        } | ({"KAFKA_FETCH_WAIT_MAX_MS": str(FETCH_WAIT_MS)} if is_ours else {})
        programs = stack.enter_context(bench.programs(*PROGRAMS, dsn=dsn, broker=broker, **settings))

        def pay(first: int, orders: int, rate: int) -> dict:
            wait = {"fetch-wait-ms": FETCH_WAIT_MS} if is_ours else {}
            answer = bench.load(
                "saga", brokers=broker.brokers, inventory=broker.topics["inventory"], payment=broker.topics["payment"],
                partitions=PARTITIONS, address=f"127.0.0.1:{programs[1].grpc_port}", first=first, count=orders,
                rate=rate, **wait)
            with connect(dsn) as connection:
                wait_for(lambda: not connection.execute("SELECT FROM event_wait LIMIT 1").fetchall(), 60)
                done = connection.execute("SELECT count(*) FROM event_done").fetchone()[0]
                expected = 2 * (first - 1 + orders)
                assert done == expected, f"{done} of {expected} events are DONE"
            return answer

        pay(1, WARM_UP, 0)
        written = usage.written(dsn)
        before = _uses(programs, dsn, bench)
        answer = pay(WARM_UP + 1, count, rate)
        uses = {name: use - before[name] for name, use in _uses(programs, dsn, bench).items()}
        written = usage.written(dsn) - written
        own = sum((uses[name] for name in PROGRAMS), usage.Usage())
        cost = {
            "programs": own.cpu / count * 1e6, "postgres": uses["PostgreSQL"].cpu / count * 1e6,
            "switches": (own.switches + uses["PostgreSQL"].switches) / count, "wal": written.wal / count,
            "disk": written.disk / count,
        }
        parts = {name: uses[name].cpu / count * 1e6 for name in (*PROGRAMS, "Redis")}
        return Run(cost, parts, answer)


def _uses(programs: list[Program], dsn: str, bench: Bench) -> dict[str, usage.Usage]:
    uses = {program.name: usage.of_process(program.handle.pid) for program in programs}
    uses["PostgreSQL"] = usage.of_server(dsn)
    uses["Redis"] = usage.of_redis(bench.redis_dsn)
    return uses


def _versions() -> list[str]:
    """What times depend on apart from our code."""
    return [*[line for line in machine() if line.startswith("Machine")], platform.machine(),
            "KAFKA_BROKERS" if os.environ.get("KAFKA_BROKERS") else "devkafka"]
