"""Webhooks to a keep-alive receiver on loopback: how many a second leave a queue that is full, each signed, answered, and
kept with its attempt; how soon one arrives after its payment was asked for; and what they add to taking payments in.
"""

import http.client
import json
import threading
import time
import uuid

from support.bench import Bench, connect, percentile, wait_for
from support.direct import MERCHANT, Direct, direct
from support.receiver import Receiver

RATE, CALLERS = 200, 8
SETTINGS = {"WEBHOOK_SECRET_KEYS": "bench:" + "3a" * 31 + "3b", "WEBHOOK_ALLOW_PRIVATE": "true"}

# Payments that are CREATED, and a delivery of each that is due.
FULL = f"""
WITH made AS (
  INSERT INTO gateway.payment (id, user_id, payee_id, method, masked, amount, currency, created_at, since)
  SELECT ('0198c5b2-6c1e-7d55-8a1b-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), '{MERCHANT}', 'account',
         '****0001', 1999, 'EUR', now(), now() FROM generate_series(1, $1::int) n RETURNING id)
INSERT INTO gateway.webhook_queue (endpoint_id, id, payment_id, version, state, at)
SELECT $2::uuid, ('0198c5b2-6c1e-7d55-9a1b-' || right(id::text, 12))::uuid, id, 1, 'CREATED', now() FROM made
"""


def measure(bench: Bench) -> None:
    _queue(bench)
    _delay(bench)
    _intake(bench)


def _queue(bench: Bench) -> None:
    count = bench.size(50_000, 5_000)
    rates = []
    for _ in range(bench.runs):
        with direct(bench, processes=False, **SETTINGS) as parts, Receiver() as receiver, connect(parts.dsn) as connection:
            endpoint = _endpoint(parts, receiver.url, enabled=False)
            # Another gateway has it until the queue is full.
            connection.execute("UPDATE gateway.webhook_lease SET owner = gen_random_uuid(), until = now() + interval '1 h'")
            _call(parts, "PATCH", f"/v1/webhook_endpoints/{endpoint}", {"enabled": True})
            connection.execute(FULL.replace("$1", str(count)).replace("$2", f"'{endpoint}'"))
            connection.execute("ANALYZE gateway.webhook_queue, gateway.payment")
            connection.execute("DELETE FROM gateway.webhook_lease")
            wait_for(lambda: receiver.count > 0, 30)
            began, first = time.monotonic(), receiver.count
            wait_for(lambda: receiver.count >= count, 120)
            wait_for(lambda: not connection.execute("SELECT FROM gateway.webhook_queue LIMIT 1").fetchall(), 120)
            rates.append((count - first) / (time.monotonic() - began))
            kept = connection.execute("SELECT count(*) FROM gateway.webhook_delivery WHERE failure IS NULL").fetchone()[0]
            assert kept == count, f"{kept} of {count} deliveries are kept"
    bench.report.add(
        f"webhooks, a queue of {count:,} to one endpoint, delivered and kept", rates, "webhooks/s", target="≥ 5,000/s",
        meets=lambda value, _: value >= 5_000)


def _delay(bench: Bench) -> None:
    count = bench.size(4_000, 500)
    delays = []
    for _ in range(bench.runs):
        with direct(bench, processes=False, **SETTINGS) as parts, Receiver() as receiver:
            _endpoint(parts, receiver.url)
            asked = _ask(parts, count)
            wait_for(lambda: receiver.count >= count, 60)
            times = receiver.times()
            delays.append([times[id] - moment for id, moment in asked.items()])
    for share, target in ((0.5, None), (0.99, 50)):
        bench.report.add(
            f"payment asked for to its webhook received, {RATE}/s, p{share * 100:g}",
            [percentile(each, share) * 1000 for each in delays], "ms", target=f"≤ {target} ms" if target else "",
            meets=(lambda value, _: value <= 50) if target else None)


def _intake(bench: Bench) -> None:
    count = bench.size(40_000, 5_000)

    def rate(has_webhooks: bool) -> float:
        with direct(bench, processes=False, **SETTINGS) as parts, Receiver() as receiver:
            if has_webhooks:
                _endpoint(parts, receiver.url, "refund.*")
            done = bench.load("pay", address=f"127.0.0.1:{parts.gateway.http_port}", connections=512, count=count,
                              method="account")
            return done["calls"] / done["seconds"]

    told, bare = bench.in_turn(lambda: rate(True), lambda: rate(False))
    bench.report.add(
        "POST /v1/payments with an endpoint that wants other events, against none", told, "calls/s", baselines=bare)


def _endpoint(parts: Direct, url: str, *events: str, enabled: bool = True) -> str:
    made = _call(parts, "POST", "/v1/webhook_endpoints", {"url": url, "events": list(events) or ["*"]})
    if not enabled:
        _call(parts, "PATCH", f"/v1/webhook_endpoints/{made['id']}", {"enabled": False})
    return made["id"]


def _call(parts: Direct, method: str, path: str, body: dict) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", parts.gateway.http_port, timeout=30)
    connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status in (200, 201), answer.read()
    return json.loads(answer.read())


def _ask(parts: Direct, count: int) -> dict[str, float]:
    """By payment, when it was asked for: earlier than it was committed."""
    asked: dict[str, float] = {}
    began = time.monotonic()

    def call(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", parts.gateway.http_port, timeout=30)
        for turn in range(number, count, CALLERS):
            time.sleep(max(0.0, began + turn / RATE - time.monotonic()))
            body = {"user_id": str(uuid.uuid4()), "amount": 1999, "currency": "EUR",
                    "method": {"type": "account", "number": "10000000001"}}
            moment = time.monotonic()
            connection.request("POST", "/v1/payments", json.dumps(body),
                               {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())})
            asked[json.loads(connection.getresponse().read())["id"]] = moment

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asked
