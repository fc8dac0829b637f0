"""`paysaga reconcile` with a statement of COMPLETED payments, all of which it settles: staged, compared, and posted
between world and clearing, durable. One in a thousand is UNKNOWN and is resolved.
"""

import json
import os
import subprocess
import time

from harness.process import BINARIES, clean_environment
from support.bench import Bench, connect

CLEARING = "00000000-0000-0002-0000-000000455552"

# Payments as they are after their charge: the hold and its post, the attempt, the balances.
PAYMENTS = """
CREATE TEMP TABLE made AS
SELECT n, ('0198c5b2-' || lpad(to_hex(n / 4096), 4, '0') || '-7' || lpad(to_hex(n % 4096), 3, '0')
           || '-8' || substr(md5(n::text), 1, 3) || '-' || substr(md5(n::text), 4, 11) || '0')::uuid AS id,
       n % 1000 = 0 AS is_unknown
FROM generate_series(1, $1::int) n;
"""
ROWS = f"""
INSERT INTO ledger.account (id, kind, owner, currency)
VALUES ('{CLEARING}', 2, NULL, 'EUR'), ('00000000-0000-0005-0000-000000455552', 5, NULL, 'EUR'),
       ('00000000-0000-4000-8000-000000000002', 1, '00000000-0000-4000-8000-000000000001', 'EUR');
INSERT INTO processing.payment (id, user_id, payee_id, method, source, amount, currency, debit, credit, since, state,
                                version, reason, stage, asked_at, has_hold, inquiries, due)
SELECT id, gen_random_uuid(), '00000000-0000-4000-8000-000000000001', 'account', '10000000001', 1999, 'EUR',
       '{CLEARING}', '00000000-0000-4000-8000-000000000002', now() - interval '1 day',
       CASE WHEN is_unknown THEN 'UNKNOWN' ELSE 'COMPLETED' END, 3, CASE WHEN is_unknown THEN 'bank_unclear' END,
       CASE WHEN is_unknown THEN 'unknown' ELSE 'done' END, CASE WHEN is_unknown THEN now() - interval '1 day' END,
       is_unknown, 0, CASE WHEN is_unknown THEN now() + interval '1 day' END
FROM made ORDER BY id;
INSERT INTO processing.due (payment_id, chore, at)
SELECT id, 'inquiry', now() + interval '1 day' FROM made WHERE is_unknown ORDER BY id;
INSERT INTO processing.attempt (payment_id, asked_at, call, answered_at, answer)
SELECT id, now() - interval '1 day', 'charge', now() - interval '1 day',
       CASE WHEN is_unknown THEN 'unclear' ELSE 'approved' END FROM made ORDER BY id;
INSERT INTO ledger.transfer (id, kind, debit, credit, amount, currency)
SELECT id, 2, '{CLEARING}', '00000000-0000-4000-8000-000000000002', 1999, 'EUR' FROM made ORDER BY id;
INSERT INTO ledger.transfer (id, kind, debit, credit, amount, currency, pending_id)
SELECT (left(id::text, 35) || '8')::uuid, 3, '{CLEARING}', '00000000-0000-4000-8000-000000000002', 1999, 'EUR', id
FROM made WHERE NOT is_unknown ORDER BY id;
UPDATE ledger.account a SET posted = s.sign * s.sum, pending = CASE a.kind WHEN 2 THEN s.open ELSE 0 END
FROM (SELECT count(*) FILTER (WHERE NOT is_unknown) * 1999 AS sum, count(*) FILTER (WHERE is_unknown) * 1999 AS open,
             k.kind, k.sign FROM made, (VALUES (1, 1), (2, -1)) k(kind, sign) GROUP BY k.kind, k.sign) s
WHERE a.kind = s.kind
"""


def measure(bench: Bench) -> None:
    count = bench.size(1_000_000, 50_000)
    found = [_reconcile(bench, count) for _ in range(bench.runs)]
    seconds, memory = map(list, zip(*found))
    bench.report.add(
        f"reconciliation of a statement of {count:,} rows", seconds, "s", target="≤ 30 s",
        meets=lambda value, _: value <= 30)
    bench.report.add(
        "resident memory of it", memory, "MiB", target="≤ 64 MiB", meets=lambda value, _: value <= 64)


def _reconcile(bench: Bench, count: int) -> tuple[float, float]:
    """Seconds, and the peak of resident MiB."""
    with bench.database() as dsn, connect(dsn) as connection:
        connection.execute(PAYMENTS, [count])
        connection.execute(ROWS)
        path = bench.directory / "statement.csv"
        with open(path, "w") as file, connection.cursor() as cursor:
            file.write("operation_id,amount,currency,status,time\n")
            with cursor.copy("COPY (SELECT id, '19.99', 'EUR', 'succeed',"
                             " to_char(now() AT TIME ZONE 'UTC' - interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                             " FROM made ORDER BY md5(n::text)) TO STDOUT (FORMAT csv)") as copy:
                for block in copy:
                    file.write(bytes(block).decode())
        for table in ("processing.payment", "processing.attempt", "ledger.transfer"):
            connection.execute(f"VACUUM ANALYZE {table}")
        connection.execute("CHECKPOINT")
        began = time.monotonic()
        child = subprocess.Popen(
            [BINARIES / "paysaga", "reconcile", "--statement", str(path), "--complete-to", "1m", "--complete-from", "48h",
             "--json"], env=clean_environment() | {"DB_DSN": dsn}, stdout=subprocess.PIPE, text=True, cwd="/")
        answer = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0, f"exit {child.returncode}: {answer}"
        report = json.loads(answer)
        assert (report["rows"], report["settled"], report["resolved"]) == (count, count, count // 1000), report
        [(posted,)] = connection.execute(
            "SELECT (a.posted + (SELECT coalesce(sum(posted), 0) FROM ledger.account_delta d WHERE d.account = a.id))::bigint"
            " FROM ledger.account a WHERE a.id = $1", [CLEARING]).fetchall()
        assert posted == 0, posted
    return seconds, usage.ru_maxrss / 1024
