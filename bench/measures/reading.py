"""The relay's read of 1,000 waiting events, with its own prepared statement: among 10 million DONE rows and a million
waiting ones, compared with 1,000 waiting rows and no DONE row.
"""

import time

import psycopg

from support.bench import Bench, connect, percentile
from support.sql import HEADERS, WAITING, read_statement, relay_text

# 16 of each of the 64 shards.
LIMIT = 16
READ = 64 * LIMIT

DONE = f"""
INSERT INTO event_done (id, event_id, shard, key, seq, topic, payload, headers, status, reserved_to, attempts, done_at)
SELECT -n, gen_random_uuid(), (n % 64)::smallint, 'done-' || n, 1, 'payment', convert_to(repeat('x', 180), 'UTF8'),
       {HEADERS}, 'DONE', now(), 1, now()
FROM generate_series($1::bigint, $2::bigint) n
"""


def measure(bench: Bench) -> None:
    done, waiting = bench.size(10_000_000, 500_000), bench.size(1_000_000, 100_000)
    with bench.database() as empty, bench.database() as full:
        with connect(full) as connection:
            for start in range(0, done, 500_000):
                connection.execute(DONE, [start + 1, start + 500_000])
            connection.execute(WAITING, [1, waiting])
        with connect(empty) as connection:
            connection.execute(WAITING, [1, READ])
        options = "-c enable_seqscan=off"
        with connect(full, options=options) as large, connect(empty, options=options) as small:
            for connection in (large, small):
                connection.execute(
                    "UPDATE event_shard SET owner = 'bench', epoch = 1, reserved_to = now() + interval '1 hour'")
                connection.execute("VACUUM event_wait")
                connection.execute("CHECKPOINT")
            values, baselines = bench.in_turn(lambda: _read(large), lambda: _read(small))
    bench.report.add(
        f"reading {READ} waiting events, {done:,} DONE and {waiting:,} waiting", values, "ms", baselines=baselines,
        target="≤ 1.5×", meets=lambda _, ratio: ratio <= 1.5)


def _read(connection: psycopg.Connection) -> float:
    """The median time of one read, ms."""
    statement = read_statement()
    shards = list(range(64))
    [history] = connection.execute(f"SELECT {relay_text('history')}").fetchone()
    parameters = ["bench", shards, [1] * 64, [0] * 64, [LIMIT] * 64, history]
    times = []
    for _ in range(200):
        began = time.perf_counter()
        cursor = connection.execute(statement, parameters, prepare=True, binary=True)
        times.append((time.perf_counter() - began) * 1000)
        assert cursor.rowcount == READ, f"{cursor.rowcount} rows instead of {READ}"
    return percentile(times, 0.5)
