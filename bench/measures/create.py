"""CreatePayment, durable, many callers, compared with a loop inside the database that writes the same payments and
events, 1,000 per batch, with a COMMIT per batch. No relay runs on either side.
"""

from support.baselines import create_by_sql
from support.bench import Bench, connect

# connections × streams
CONNECTIONS, STREAMS = 8, 96


def measure(bench: Bench) -> None:
    count = bench.size(100_000, 20_000)
    answers, baseline = bench.in_turn(lambda: _calls(bench, count), lambda: create_by_sql(bench, count))
    name = f"CreatePayment, {CONNECTIONS * STREAMS} callers"
    bench.report.add(
        f"{name}, against the SQL-only loop", [answer["calls"] / answer["seconds"] for answer in answers], "calls/s",
        baselines=baseline, target="≥ 0.5×", meets=lambda _, ratio: ratio >= 0.5)
    for share in ("p50", "p99"):
        bench.report.add(f"{name}, {share}", [answer[f"{share}_us"] / 1000 for answer in answers], "ms")


def _calls(bench: Bench, count: int) -> dict:
    with bench.database() as dsn, bench.broker(payment=4) as broker:
        with bench.programs("payments-server", dsn=dsn, broker=broker, CRON_ENABLED="false") as [server]:
            answer = bench.load(
                "create", address=f"127.0.0.1:{server.grpc_port}", connections=CONNECTIONS, streams=STREAMS, first=1,
                count=count)
        with connect(dsn) as connection:
            made = connection.execute(
                "SELECT (SELECT count(*) FROM payment), (SELECT count(*) FROM event_wait)").fetchone()
            assert made == (count, count), f"{made} payments and events for {count} acknowledged calls"
    return answer
