"""10,000 callers of one gateway that wait for their payments (?wait=), or follow them by a stream of events: what they
hold in memory, and how soon each is told once its payment is final. Results are committed to the topic at 200/s; the time
of a broker's delivery and of the transaction is part of it.
"""

import json
import selectors
import socket
import threading
import time
from datetime import datetime, timezone

from confluent_kafka import Producer
from support.bench import Bench, connect, percentile, wait_for
from support.direct import MERCHANT, direct

RATE = 200

# Payments that are being processed, as the gateway keeps them.
PAYMENTS = f"""
WITH made AS (
  INSERT INTO gateway.payment
    (id, user_id, payee_id, method, masked, amount, currency, created_at, state, version, since)
  SELECT ('0198c5b2-6c1e-7d55-8a1b-' || lpad(to_hex(n), 12, '0'))::uuid, gen_random_uuid(), '{MERCHANT}', 'account',
         '****0001', 1999, 'EUR', now(), 'PROCESSING', 2, now() FROM generate_series(1, $1::int) n RETURNING id)
SELECT id FROM made ORDER BY id
"""


# How a caller asks, and what it is told in the end.
KINDS = {"waiting callers": "{id}?wait={wait}", "streams": "{id}/events"}


def measure(bench: Bench) -> None:
    for name, path in KINDS.items():
        _measure(bench, name, path)


def _measure(bench: Bench, name: str, path: str) -> None:
    count = bench.size(10_000, 1_000)
    memory, times = [], []
    for _ in range(bench.runs):
        with direct(bench, processes=False, GATEWAY_MAX_PEER_CONNECTIONS="20000",
                    GATEWAY_MAX_PEER_WAITERS="20000") as parts:
            with connect(parts.dsn) as connection:
                ids = [str(row[0]) for row in connection.execute(PAYMENTS, [50 + count]).fetchall()]
            first, ids = ids[:50], ids[50:]
            # What the first few cost is not theirs, nor the seconds in which consumer and producer find the partitions.
            producer = Producer(
                {"bootstrap.servers": parts.brokers, "linger.ms": 0, "partitioner": "murmur2_random", "log_level": 0})
            with Waiters(parts.gateway.http_port, first, path.replace("{wait}", "30s")) as waiters:
                _send_results(producer, first)
                waiters.wait()
            before = parts.gateway.resident_kib()
            with Waiters(parts.gateway.http_port, ids, path.replace("{wait}", "60s")) as waiters:
                wait_for(lambda: parts.gateway.metric("paysaga_gateway_waiters") == count, 60)
                memory.append((parts.gateway.resident_kib() - before) / 1024)
                sent = _send_results(producer, ids[:bench.size(4_000, 500)])
                waiters.wait(len(sent))
                times.append([waiters.answered[id] - moment for id, moment in sent.items()])
    bench.report.add(
        f"{count:,} {name}, memory", memory, "MiB", target="≤ 64 MiB", meets=lambda value, _: value <= 64)
    for share, target in ((0.5, None), (0.99, 20)):
        bench.report.add(
            f"result written to {name} told, {RATE}/s, p{share * 100:g}",
            [percentile(each, share) * 1000 for each in times], "ms", target=f"≤ {target} ms" if target else "",
            meets=(lambda value, _: value <= 20) if target else None)


def _send_results(producer: Producer, ids: list[str]) -> dict[str, float]:
    """When the result of each payment was handed to the broker, as a processor's relay does."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    for number, id in enumerate(ids):
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        value = {"payment_id": id, "version": 3, "state": "COMPLETED", "occurred_at": now}
        sent[id] = time.monotonic()
        producer.produce("direct.results", key=id, value=json.dumps(value), headers={"seq": "2"})
        producer.poll(0)
    producer.flush(10)
    return sent


class Waiters:
    """Connections that each have asked for a payment and wait; notes when each is told of its final state."""

    def __init__(self, port: int, ids: list[str], path: str):
        self.answered: dict[str, float] = {}
        self._selector = selectors.DefaultSelector()
        self._is_ending = False
        for id in ids:
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(f"GET /v1/payments/{path.format(id=id)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            self._selector.register(connection, selectors.EVENT_READ, id)
        self._count = len(ids)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_ending:
            for key, _ in self._selector.select(0.1):
                # A stream begins with the payment as it is.
                if b'"status":"COMPLETED"' not in key.fileobj.recv(65_536):
                    continue
                self.answered.setdefault(key.data, time.monotonic())
                self._selector.unregister(key.fileobj)
                key.fileobj.close()

    def wait(self, count: int | None = None) -> None:
        """Until so many, or all, are answered."""
        wait_for(lambda: len(self.answered) >= (count or self._count), 60)

    def __enter__(self) -> "Waiters":
        return self

    def __exit__(self, *_) -> None:
        self._is_ending = True
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()
