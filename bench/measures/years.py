"""Years of payments: CreatePayment and UpdatePaymentStatus, durable, with finished payments in `payment` and in its
archive, half of them each, compared with empty tables. No relay runs. BENCH_PAYMENTS is their number, 10,000,000 unless
it says another, such as 100000000, which takes some 25 GB and a quarter of an hour.
"""

import os

from harness.process import Program

from support.bench import Bench, connect

STEP = 500_000
# connections × streams
CALLERS = (8, 64)
COLUMNS = "id, order_id, status, reason, version, amount_minor, currency, idempotent_key, created_at, updated_at"
FINISHED = f"""
INSERT INTO {{table}} ({COLUMNS})
SELECT n, n, 'COMPLETED', '', 2, 1999, 'EUR', gen_random_uuid(), now() - interval '1 year', now() - interval '1 year'
FROM generate_series($1::bigint, $2::bigint) n
"""


def measure(bench: Bench) -> None:
    finished = int(os.environ.get("BENCH_PAYMENTS") or bench.size(10_000_000, 500_000))
    with bench.database() as empty, bench.database() as full, bench.broker(payment=4) as broker:
        with connect(full) as connection:
            _fill(connection, finished)
        next_order = iter(range(finished + 1, 1 << 62, 10_000_000))

        def run(dsn: str) -> dict[str, dict]:
            with bench.programs("payments-server", dsn=dsn, broker=broker, CRON_ENABLED="false") as [server]:
                return _run(bench, server, next(next_order))

        values, baselines = bench.in_turn(lambda: run(full), lambda: run(empty))
    for call, name in (("create", "CreatePayment"), ("settle", "UpdatePaymentStatus")):
        rates, bases = ([each[call]["calls"] / each[call]["seconds"] for each in side] for side in (values, baselines))
        bench.report.add(
            f"{name}, {finished:,} finished payments, against none", rates, "calls/s", baselines=bases, target="≥ 0.8×",
            meets=lambda _, ratio: ratio >= 0.8)
        rates, bases = ([each[call]["p99_us"] / 1000 for each in side] for side in (values, baselines))
        bench.report.add(f"{name}, {finished:,} finished payments, p99, against none", rates, "ms", baselines=bases)


def _fill(connection, finished: int) -> None:
    for table, start, end in (("payment_archive", 1, finished // 2), ("payment", finished // 2 + 1, finished)):
        for first in range(start, end + 1, STEP):
            connection.execute(FINISHED.format(table=table), [first, min(first + STEP - 1, end)])
    connection.execute("SELECT setval(pg_get_serial_sequence('payment', 'id'), $1::bigint)", [finished])
    connection.execute("VACUUM ANALYZE payment, payment_archive")
    connection.execute("CHECKPOINT")


def _run(bench: Bench, server: Program, first: int) -> dict[str, dict]:
    count = bench.size(60_000, 5_000)
    return {
        call: bench.load(call, address=f"127.0.0.1:{server.grpc_port}", connections=CALLERS[0], streams=CALLERS[1],
                         first=first, count=count)
        for call in ("create", "settle")}
