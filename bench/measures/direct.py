"""Direct payments, durable: taking them in compared with CreatePayment of the saga and with the bare transaction, and
their whole way (POST, risk, hold, bank, posting, result visible) through one gateway and one processor. The imitated
bank answers without delay, fsynced.

Taking in is payment, first state, key with its answer, and event in one transaction; pgbench runs the same for one
caller, prepared. Nothing is processed meanwhile. A relay publishes the events of both sides. The whole way at a
rate is POST with ?wait=: the time until the answer tells COMPLETED.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Callable

from harness.process import Program

from support.bench import Bench, connect, percentile, run, wait_for
from support.direct import direct, finished

# Connections of HTTP/1.1, and those × streams of CreatePayment.
CONNECTIONS, STREAMS = 512, (8, 64)

KEYS = """
CREATE TABLE gateway.idempotency_key_bench PARTITION OF gateway.idempotency_key
FOR VALUES FROM ('2020-01-01') TO ('2100-01-01')
"""
SCRIPT = r"""
\set n random(1, 9000000000000000)
BEGIN;
SELECT answer FROM gateway.idempotency_key WHERE method = 'POST /v1/payments' AND key = :n::text AND used_at > now() - interval '1 day';
WITH taken AS (
  INSERT INTO gateway.payment (id, user_id, payee_id, method, masked, amount, currency, created_at, since)
  VALUES (gen_random_uuid(), gen_random_uuid(), '00000000-0000-4000-8000-000000000001', 'account', '****0001', 1999,
          'EUR', now(), now()) RETURNING id, created_at),
state AS (
  INSERT INTO gateway.payment_state (payment_id, version, state, at) SELECT id, 1, 'CREATED', created_at FROM taken),
event AS (
  INSERT INTO gateway.event (event_id, shard, key, seq, topic, payload, headers)
  SELECT gen_random_uuid(), (:n::bigint % 64)::smallint, id::text, 1, 'direct.payments',
         convert_to(format('{"payment_id":"%s","user_id":"%s","payee_id":"%s","method":{"type":"account","number":'
           '"10000000001"},"amount_minor":1999,"currency":"EUR","created_at":"2026-01-01T00:00:00.000000Z"}', id, id, id),
           'UTF8'), ARRAY['ce_type', 'paysaga.direct.created', 'ce_source', '/paysaga/gateway'] FROM taken)
INSERT INTO gateway.idempotency_key (method, key, fingerprint, used_at, answer)
SELECT 'POST /v1/payments', :n::text, repeat('0', 64), now(),
       jsonb_build_object('status', 201, 'payment_id', id, 'body', repeat('x', 400)) FROM taken;
COMMIT;
"""


def measure(bench: Bench) -> None:
    _taking_in(bench)
    _one_caller(bench)
    _whole_way(bench)
    _at_a_rate(bench)


def _taking_in(bench: Bench) -> None:
    count = bench.size(60_000, 10_000)
    posts, creates = bench.in_turn(lambda: _posts(bench, CONNECTIONS, count), lambda: _creates(bench, count))
    bench.report.add(
        f"POST /v1/payments, {CONNECTIONS} callers, against CreatePayment", [_rate(each) for each in posts], "calls/s",
        baselines=[_rate(each) for each in creates], target="≥ 0.4×", meets=lambda _, ratio: ratio >= 0.4)
    for share in ("p50", "p99"):
        bench.report.add(
            f"POST /v1/payments, {CONNECTIONS} callers, {share}", [each[f"{share}_us"] / 1000 for each in posts], "ms")
    bench.report.add(
        "payments-gateway, CPU a call of these, against payments-server", [each["cpu_us"] for each in posts], "µs",
        baselines=[each["cpu_us"] for each in creates])


def _one_caller(bench: Bench) -> None:
    one, bare = bench.in_turn(
        lambda: _posts(bench, 1, bench.size(4_000, 1_000))["p50_us"] / 1000, lambda: _bare(bench, bench.size(5, 2)))
    bench.report.add("POST /v1/payments, one caller, p50 against the bare transaction", one, "ms", baselines=bare)
    bench.report.add(
        "POST /v1/payments, one caller, p50 added to the bare transaction", [a - b for a, b in zip(one, bare)], "ms",
        target="≤ 0.5 ms", meets=lambda value, _: value <= 0.5)


def _whole_way(bench: Bench) -> None:
    count = bench.size(60_000, 5_000)
    rates, gateways, processors = zip(*[_wholly(bench, count) for _ in range(bench.runs)])
    bench.report.add(
        "whole payments, sustained", list(rates), "payments/s", target="≥ 2,000/s", meets=lambda value, _: value >= 2_000)
    for name, values in (("payments-gateway", gateways), ("payments-processor", processors)):
        bench.report.add(
            f"{name}, resident memory after that", list(values), "MiB", target="≤ 64 MiB",
            meets=lambda value, _: value <= 64)


def _at_a_rate(bench: Bench) -> None:
    answers, banks = [], []
    for _ in range(bench.runs):
        with direct(bench) as parts:
            _pay(bench, parts, 64, 500, wait=10, rate=200)
            before = _bank_calls(parts.processor)
            answers.append(_pay(bench, parts, 64, bench.size(4_000, 1_000), wait=10, rate=200))
            after = _bank_calls(parts.processor)
            banks.append((after[0] - before[0]) / (after[1] - before[1]) * 1_000)
    bench.report.add("the bank's own time of that, mean", banks, "ms")
    for share, limit in (("p50", 15), ("p99", 60)):
        bench.report.add(
            f"POST to final state, 200/s, {share} without the bank's time",
            [each[f"{share}_us"] / 1000 - bank for each, bank in zip(answers, banks)], "ms",
            target=f"≤ {limit} ms", meets=lambda value, _, limit=limit: value <= limit)


def _bank_calls(processor: Program) -> tuple[float, float]:
    """The seconds that charges took at the bank so far, and how many there were."""
    return (processor.metric("paysaga_bank_call_seconds_sum", call="charge"),
            processor.metric("paysaga_bank_call_seconds_count", call="charge"))


def _rate(answer: dict) -> float:
    return answer["calls"] / answer["seconds"]


def _pay(bench: Bench, parts, connections: int, count: int, **options: int) -> dict:
    return bench.load("pay", address=f"127.0.0.1:{parts.gateway.http_port}", connections=connections, count=count,
                      method="account", **options)


def _posts(bench: Bench, connections: int, count: int) -> dict:
    with direct(bench, processes=False) as parts:
        answer = _with_cpu(parts.gateway, lambda: _pay(bench, parts, connections, count))
        with connect(parts.dsn) as connection:
            taken = connection.execute("SELECT count(*) FROM gateway.payment").fetchone()[0]
            assert taken == count, f"{taken} payments for {count} acknowledged calls"
        return answer


def _creates(bench: Bench, count: int) -> dict:
    with bench.database() as dsn, bench.broker(payment=4) as broker:
        with bench.programs("payments-server", dsn=dsn, broker=broker) as [server]:
            return _with_cpu(server, lambda: bench.load(
                "create", address=f"127.0.0.1:{server.grpc_port}", connections=STREAMS[0], streams=STREAMS[1], first=1,
                count=count))


def _with_cpu(program: Program, load: Callable[[], dict]) -> dict:
    """The load's answer with the microseconds of CPU that the program spent on each call."""
    before = program.cpu_seconds()
    answer = load()
    return answer | {"cpu_us": (program.cpu_seconds() - before) / answer["calls"] * 1e6}


def _bare(bench: Bench, seconds: int) -> float:
    """The p50 of the transaction in milliseconds."""
    with bench.database() as dsn, TemporaryDirectory() as directory:
        with connect(dsn) as connection:
            connection.execute(KEYS)
            connection.execute("CREATE UNIQUE INDEX ON gateway.idempotency_key_bench (method, key)")
        script = Path(directory, "script.sql")
        script.write_text(SCRIPT)
        run(["pgbench", "-n", "-M", "prepared", "-T", str(seconds), "-c", "1", "-l",
             "--log-prefix", f"{directory}/log", "-f", str(script), dsn])
        lines = "".join(path.read_text() for path in Path(directory).glob("log*")).splitlines()
        return percentile([float(line.split()[2]) for line in lines], 0.5) / 1000


def _wholly(bench: Bench, count: int) -> tuple[float, float, float]:
    """Payments a second from the first POST until the gateway shows the end of the last one, and the programs' MiB."""
    with direct(bench) as parts:
        _pay(bench, parts, 64, 500, wait=10)
        began = time.monotonic()
        _pay(bench, parts, 64, count)
        ended = wait_for(lambda: finished(parts.dsn) == count + 500, 300, 0.1)
        return (count / (ended - began), parts.gateway.resident_kib() / 1024, parts.processor.resident_kib() / 1024)
