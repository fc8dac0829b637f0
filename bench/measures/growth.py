"""A ledger of 10,000,000 transfers, made by SQL over thirty days in transactions of 1,000: how long it takes to seal and
to verify, and what a look into the past costs. One merchant has a million of them, our own account all.

Sealing is that of payments-processor, verifying `paysaga audit --ledger` with all that it compares. The calls are HTTP
requests to the gateway, one after the other, on one connection: the balance at random moments, the newest page of
100 entries, a page in the middle, and one before a random moment.
"""

import http.client
import json
import os
import random
import subprocess
import time

from harness.process import BINARIES, Program, clean_environment

from support.bench import Bench, connect, percentile, wait_for
from support.direct import direct

USERS, DAYS = 10_000, 30
MERCHANT = "00000000-0000-0007-0000-000000000000"

ACCOUNTS = """
INSERT INTO ledger.account (id, kind, owner, currency)
SELECT ('00000000-0000-0007-0000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, gen_random_uuid(), 'EUR'
FROM generate_series(0, $1::int - 1) n
UNION ALL SELECT '00000000-0000-0005-0000-000000455552', 5, NULL, 'EUR'
"""

# Every tenth goes to the merchant.
FILL = """
CREATE PROCEDURE bench_fill(transfers bigint, users int, days int) LANGUAGE plpgsql AS $procedure$
BEGIN
  FOR start IN 0..transfers - 1 BY 1000 LOOP
    INSERT INTO ledger.transfer (id, kind, debit, credit, amount, currency, at)
    SELECT ('0198c5b2-0000-7000-8000-' || lpad(to_hex(n * 16 + 1), 12, '0'))::uuid, 1,
           '00000000-0000-0005-0000-000000455552',
           ('00000000-0000-0007-0000-' || lpad(to_hex(CASE WHEN n % 10 = 0 THEN 0 ELSE n * 7919 % users END), 12, '0'))::uuid,
           100, 'EUR', date_trunc('day', now()) - make_interval(secs => 86400.0 * days * (1 - n::float8 / transfers))
    FROM generate_series(start, least(start + 999, transfers - 1)) n;
    COMMIT;
  END LOOP;
  UPDATE ledger.account a SET posted = t.posted FROM (
    SELECT account, sum(posted)::bigint AS posted FROM (
      SELECT credit AS account, amount AS posted FROM ledger.transfer
      UNION ALL SELECT debit, -amount FROM ledger.transfer) x GROUP BY 1) t WHERE t.account = a.id;
END $procedure$"""


def measure(bench: Bench) -> None:
    transfers = bench.size(10_000_000, 200_000)
    with direct(bench, processes=False) as up, connect(up.dsn) as connection:
        connection.execute(ACCOUNTS, [USERS])
        connection.execute(FILL)
        connection.execute(f"CALL bench_fill({transfers}, {USERS}, {DAYS})")
        connection.execute("VACUUM ANALYZE ledger.transfer, ledger.account")
        seconds, memory = _seal(bench, up, connection, transfers)
        bench.report.add(f"sealing {transfers:,} transfers", [transfers / seconds], "transfers/s")
        bench.report.add(
            f"resident memory of payments-processor, sealing {transfers:,} transfers", [memory], "MiB", target="≤ 64 MiB",
            meets=lambda value, _: value <= 64)
        connection.execute("VACUUM ANALYZE ledger.block, ledger.account_day")
        seconds, memory = _verify(up.dsn, transfers)
        bench.report.add(f"audit --ledger of {transfers:,} transfers", [seconds], "s")
        bench.report.add("resident memory of that audit", [memory], "MiB", target="≤ 64 MiB",
                         meets=lambda value, _: value <= 64)
        _looks(bench, up.gateway)


def _seal(bench: Bench, up, connection, transfers: int) -> tuple[float, float]:
    """Seconds until every transfer is in a block, and the peak of resident MiB."""
    own = {"PROCESSING_DSN": up.dsn, "BANK_URL": "http://127.0.0.1:9", "SAGA_GRPC_ADDR": ""}
    with bench.programs("payments-processor", dsn=up.dsn, broker=up, **own) as [processor]:
        began = time.monotonic()
        sealed = "SELECT coalesce(sum(transfers), 0) FROM ledger.block"
        seconds = wait_for(lambda: connection.execute(sealed).fetchone()[0] == transfers, 600, 0.2) - began
        return seconds, processor.resident_kib("VmHWM") / 1024


def _verify(dsn: str, transfers: int) -> tuple[float, float]:
    """Seconds, and the peak of resident MiB."""
    settings = clean_environment() | {"DB_DSN": dsn, "PROCESSING_DSN": dsn, "GATEWAY_DSN": dsn}
    began = time.monotonic()
    child = subprocess.Popen(
        [BINARIES / "paysaga", "audit", "--ledger", "--json"], env=settings, stdout=subprocess.PIPE, text=True, cwd="/")
    answer = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"exit {child.returncode}: {answer}"
    assert json.loads(answer)["transfers"] == transfers, answer
    return seconds, usage.ru_maxrss / 1024


def _looks(bench: Bench, gateway: Program) -> None:
    """What callers wait for."""
    calls = http.client.HTTPConnection("127.0.0.1", gateway.http_port)
    midnight = time.time() // 86_400 * 86_400
    moments = random.Random(1)

    def moment() -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(midnight - moments.random() * 86_400 * DAYS))

    def get(path: str) -> dict:
        calls.request("GET", f"/v1/accounts/{path}")
        answer = calls.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return json.loads(body)

    def timed(name: str, path) -> None:
        times = []
        for _ in range(50):
            asked, began = path(), time.monotonic()
            get(asked)
            times.append((time.monotonic() - began) * 1000)
        bench.report.add(name, [percentile(times, 0.5)], "ms p50")

    user = "00000000-0000-0007-0000-0000000003e9"
    timed("balance of a user at a moment", lambda: f"{user}?at={moment()}")
    timed("balance of the merchant at a moment", lambda: f"{MERCHANT}?at={moment()}")
    middle = get(f"{MERCHANT}/entries?to={moment()}&limit=100")["next"]
    timed("the merchant's newest 100 entries", lambda: f"{MERCHANT}/entries?limit=100")
    timed("100 of the merchant's entries, in the middle", lambda: f"{MERCHANT}/entries?limit=100&after={middle}")
    timed("100 of the merchant's entries before a moment", lambda: f"{MERCHANT}/entries?limit=100&to={moment()}")
