"""`paysaga risk replay`: each decision is made once more from the facts, features and rules that are kept with it, and
compared. The decisions of a few hundred payments by cards, accounts and users that repeat, copied under other ids.
"""

import json
import os
import subprocess
import time
import uuid

from harness.direct import ACCOUNT, Gateway, account, card
from harness.process import BINARIES, clean_environment
from support.bench import Bench, connect, wait_for
from support.direct import direct, finished

MADE = 300
COPIES = """
INSERT INTO risk.decision (payment_id, at, method, amount, currency, card, features, failed, score, verdict, reasons, rules)
SELECT gen_random_uuid(), d.at, d.method, d.amount, d.currency, d.card, d.features, d.failed, d.score, d.verdict,
       d.reasons, d.rules
FROM risk.decision d, generate_series(1, $1::int) n
"""


def measure(bench: Bench) -> None:
    count = bench.size(1_000_000, 50_000)
    seconds, memory = map(list, zip(*[_replay(bench, count) for _ in range(bench.runs)]))
    bench.report.add(f"replay of {count:,} risk decisions", seconds, "s")
    bench.report.add("resident memory of it", memory, "MiB", target="≤ 64 MiB", meets=lambda value, _: value <= 64)


def _replay(bench: Bench, count: int) -> tuple[float, float]:
    """Seconds, and the peak of resident MiB."""
    with direct(bench) as world:
        gateway = Gateway(world.gateway)
        users = [str(uuid.uuid4()) for _ in range(10)]
        for number in range(MADE):
            method = card() if number % 3 == 0 else account(ACCOUNT)
            assert gateway.pay(method, amount=100 + number, user_id=users[number % 10]).status == 201
        wait_for(lambda: finished(world.dsn) == MADE, 120)
        with connect(world.dsn) as connection:
            connection.execute(COPIES, [-(-(count - MADE) // MADE)])
            connection.execute("VACUUM ANALYZE risk.decision")
            [(total,)] = connection.execute("SELECT count(*) FROM risk.decision").fetchall()
        began = time.monotonic()
        child = subprocess.Popen(
            [BINARIES / "paysaga", "risk", "replay", "--json"], env=clean_environment() | {"DB_DSN": world.dsn},
            stdout=subprocess.PIPE, text=True, cwd="/")
        answer = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        assert json.loads(answer) == {"outcome": "agree", "decisions": total, "wrong": 0}, answer
    return seconds, usage.ru_maxrss / 1024
