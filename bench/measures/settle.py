"""UpdatePaymentStatus, durable, compared with pgbench running the same transaction: many callers, and one.

pgbench runs BEGIN, SELECT … FOR NO KEY UPDATE, UPDATE, INSERT of the event, COMMIT, prepared. All client counts are
tried once; the two fastest are measured in turn with our calls, and the better one of each turn is the baseline. No
relay runs on either side. The added latency of one caller is the p50 of the call minus the p50 of pgbench's
transaction with one client.
"""

import re
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from support.bench import Bench, connect, percentile, run
from support.sql import HEADERS, OPEN_PAYMENTS

CLIENTS = (1, 4, 8, 16, 32)
# connections × streams
CALLERS = ((1, 4), (1, 16), (1, 64), (4, 64), (8, 96))

SCRIPT = rf"""
\set i :i + 1
\set o :client_id * 1000000 + :i
BEGIN;
SELECT id, status, version FROM payment WHERE order_id = :o FOR NO KEY UPDATE;
UPDATE payment SET status = 'COMPLETED', version = version + 1, updated_at = now()
  WHERE order_id = :o AND status = 'CREATED';
INSERT INTO event (event_id, shard, key, seq, topic, payload, headers)
  SELECT id, (:o % 64)::smallint, :o::text, 2, 'payment',
         convert_to(format('{{"idempotent_key":"%s","order_id":%s,"status":"COMPLETED","payment_id":%s,"version":2,'
           '"reason":"","occurred_at":"2026-01-01T00:00:00.000000Z"}}', id, :o::text, :o::text), 'UTF8'), {HEADERS}
  FROM (SELECT gen_random_uuid() AS id) q;
COMMIT;
"""


def measure(bench: Bench) -> None:
    seconds = bench.size(5, 2)
    tries = {clients: _pgbench(bench, clients, seconds)[0] for clients in CLIENTS}
    best = sorted(tries, key=tries.get)[-2:]
    print("    pgbench: " + ", ".join(f"{clients} clients {rate:,.0f}/s" for clients, rate in tries.items()), flush=True)
    # As many calls for each that it takes some seconds.
    sides = [lambda c=c: _calls(bench, *c, bench.size(100_000, 20_000) * min(64, c[0] * c[1]) // 64) for c in CALLERS]
    baseline, *results = bench.in_turn(lambda: max(_pgbench(bench, n, seconds)[0] for n in best), *sides)
    rates = [[answer["calls"] / answer["seconds"] for answer in answers] for answers in results]
    chosen = max(range(len(CALLERS)), key=lambda n: median(rates[n]))
    for number, (connections, streams) in enumerate(CALLERS):
        judged = {"target": "≥ 4×", "meets": lambda _, ratio: ratio >= 4} if number == chosen else {}
        bench.report.add(
            f"UpdatePaymentStatus, {connections * streams} callers, against pgbench at its best", rates[number], "calls/s",
            baselines=baseline, **judged)
        for share in ("p50", "p99"):
            bench.report.add(
                f"UpdatePaymentStatus, {connections * streams} callers, {share}",
                [answer[f"{share}_us"] / 1000 for answer in results[number]], "ms")
    one, bare = bench.in_turn(
        lambda: _calls(bench, 1, 1, bench.size(5_000, 1_500))["p50_us"] / 1000,
        lambda: percentile(_pgbench(bench, 1, seconds)[1], 0.5) / 1000)
    bench.report.add("UpdatePaymentStatus, one caller, p50 against the bare transaction", one, "ms", baselines=bare)
    bench.report.add(
        "UpdatePaymentStatus, one caller, p50 added to the bare transaction", [a - b for a, b in zip(one, bare)], "ms",
        target="≤ 0.3 ms", meets=lambda value, _: value <= 0.3)


def _calls(bench: Bench, connections: int, streams: int, count: int) -> dict:
    with bench.database() as dsn, bench.broker(payment=4) as broker:
        with connect(dsn) as connection:
            connection.execute(OPEN_PAYMENTS, [1, count])
            connection.execute("VACUUM ANALYZE payment")
            connection.execute("CHECKPOINT")
        with bench.programs("payments-server", dsn=dsn, broker=broker, CRON_ENABLED="false") as [server]:
            answer = bench.load(
                "settle", address=f"127.0.0.1:{server.grpc_port}", connections=connections, streams=streams, first=1,
                count=count)
        with connect(dsn) as connection:
            settled = connection.execute("SELECT count(*) FROM payment WHERE status = 'COMPLETED'").fetchone()[0]
            assert settled == count, f"{settled} of {count} acknowledged calls are in force"
    return answer


def _pgbench(bench: Bench, clients: int, seconds: int) -> tuple[float, list[float]]:
    """Transactions a second, and the latency of each in µs."""
    # No client may run out of orders: this is far more than any machine with fsync settles this way.
    room = 30_000 * seconds // clients + 10_000
    with bench.database() as dsn, TemporaryDirectory() as directory:
        with connect(dsn) as connection:
            for client in range(clients):
                connection.execute(OPEN_PAYMENTS, [client * 1_000_000 + 1, client * 1_000_000 + room])
            connection.execute("VACUUM ANALYZE payment")
            connection.execute("CHECKPOINT")
        script = Path(directory) / "settle.sql"
        script.write_text(SCRIPT)
        output = run([
            "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}", f"--jobs={min(clients, 2)}",
            f"--time={seconds}", "--define=i=0", "--log", f"--log-prefix={directory}/log", f"--file={script}", dsn])
        with connect(dsn) as connection:
            settled = connection.execute("SELECT count(*) FROM event_wait").fetchone()[0]
        transactions = int(re.search(r"actually processed: (\d+)", output)[1])
        assert settled == transactions, f"{transactions} transactions settled {settled} payments: out of orders"
        latencies = [float(line.split()[2]) for log in Path(directory).glob("log.*")
                     for line in log.read_text().splitlines()]
        return float(re.search(r"tps = ([\d.]+)", output)[1]), latencies
