"""Transfers of the ledger, durable: a hold and its post for each payment, 256 payments a transaction, two connections,
between 10,000 accounts and onto one hot account, compared with a loop inside the database that locks, checks and writes
the same transfers and balances, with a COMMIT per batch.
"""

import time

from support.bench import Bench, connect

ACCOUNTS, BATCH = 10_000, 256

# As LedgerLoad.swift names them, with money for everything.
MAKE_ACCOUNTS = """
INSERT INTO ledger.account (id, kind, owner, currency, posted)
SELECT ('00000000-0000-0007-0000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, gen_random_uuid(), 'EUR', 1000000000
FROM generate_series(0, $1::int - 1) n
"""

PROCEDURE = """
CREATE PROCEDURE bench_ledger(payments bigint, batch bigint, accounts int) LANGUAGE plpgsql AS $procedure$
DECLARE ids uuid[]; debits uuid[]; credits uuid[];
BEGIN
  FOR start IN 0..payments - 1 BY batch LOOP
    SELECT array_agg(('0198c5b2-0000-7000-8000-' || lpad(to_hex(n * 16), 12, '0'))::uuid),
           array_agg(('00000000-0000-0007-0000-' || lpad(to_hex(d), 12, '0'))::uuid),
           array_agg(('00000000-0000-0007-0000-' || lpad(to_hex((d + 1 + (random() * (accounts - 2))::int) % accounts), 12, '0'))::uuid)
    INTO ids, debits, credits
    FROM (SELECT n, (random() * (accounts - 1))::int AS d FROM generate_series(start, start + batch - 1) n) q;
    PERFORM FROM ledger.account WHERE id = ANY (debits || credits) ORDER BY id FOR NO KEY UPDATE;
    INSERT INTO ledger.transfer (id, kind, debit, credit, amount, currency)
    SELECT t.id, 2, t.debit, t.credit, 1, 'EUR'
    FROM unnest(ids, debits, credits) t(id, debit, credit) JOIN ledger.account a ON a.id = t.debit
    WHERE a.posted - a.pending >= 1 ORDER BY t.id;
    UPDATE ledger.account a SET pending = a.pending + u.amount
    FROM (SELECT d, count(*) AS amount FROM unnest(debits) d GROUP BY d) u WHERE a.id = u.d;
    COMMIT;
    PERFORM FROM ledger.account WHERE id = ANY (debits || credits) ORDER BY id FOR NO KEY UPDATE;
    INSERT INTO ledger.transfer (id, kind, debit, credit, amount, currency, pending_id)
    SELECT (left(h.id::text, 35) || '8')::uuid, 3, h.debit, h.credit, h.amount, h.currency, h.id
    FROM ledger.transfer h WHERE h.id = ANY (ids) ORDER BY h.id;
    UPDATE ledger.account a SET posted = a.posted + u.posted, pending = a.pending + u.pending
    FROM (SELECT id, sum(posted)::bigint AS posted, sum(pending)::bigint AS pending
          FROM (SELECT d AS id, -1 AS posted, -1 AS pending FROM unnest(debits) d
                UNION ALL SELECT c, 1, 0 FROM unnest(credits) c) sides GROUP BY id) u
    WHERE a.id = u.id;
    COMMIT;
  END LOOP;
END $procedure$"""


def measure(bench: Bench) -> None:
    payments = bench.size(100_000, 20_000) // (2 * BATCH) * 2 * BATCH
    many, hot, baseline = bench.in_turn(
        lambda: _transfers(bench, payments, hot=0), lambda: _transfers(bench, payments, hot=1),
        lambda: _by_sql(bench, payments))
    bench.report.add(
        "ledger transfers, 10,000 accounts, against the SQL-only batch", many, "transfers/s", baselines=baseline,
        target="≥ 0.5×", meets=lambda _, ratio: ratio >= 0.5)
    bench.report.add(
        "ledger transfers onto one hot account, against 10,000 accounts", hot, "transfers/s", baselines=many,
        target="≥ 0.7×", meets=lambda _, ratio: ratio >= 0.7)


def _transfers(bench: Bench, payments: int, hot: int) -> float:
    with bench.database() as dsn, connect(dsn) as connection:
        _prepare(connection)
        answer = bench.load(
            "ledger", dsn=dsn, accounts=ACCOUNTS, hot=hot, batch=BATCH, connections=2, payments=payments)
        _check(connection, payments)
        return 2 * payments / answer["seconds"]


def _by_sql(bench: Bench, payments: int) -> float:
    with bench.database() as dsn, connect(dsn) as connection:
        _prepare(connection)
        connection.execute(PROCEDURE)
        connection.execute("SET enable_seqscan = off")
        began = time.monotonic()
        connection.execute(f"CALL bench_ledger({payments}, {BATCH}, {ACCOUNTS})")
        seconds = time.monotonic() - began
        _check(connection, payments)
        return 2 * payments / seconds


def _prepare(connection) -> None:
    connection.execute(MAKE_ACCOUNTS, [ACCOUNTS])
    connection.execute("VACUUM ANALYZE ledger.account")
    connection.execute("CHECKPOINT")


def _check(connection, payments: int) -> None:
    """Every hold is posted, and the balances say so."""
    transfers, moved, held = connection.execute(
        "WITH held AS (SELECT posted, pending FROM ledger.account UNION ALL SELECT posted, pending FROM ledger.account_delta)"
        " SELECT (SELECT count(*) FROM ledger.transfer WHERE kind = 3), sum(posted), sum(pending) FROM held").fetchone()
    assert (transfers, moved, held) == (payments, ACCOUNTS * 1_000_000_000, 0), (transfers, moved, held)
