"""A thousand requests that wait cost little memory and no query."""

import base64
import select
import socket
import time
import uuid

from harness.direct import Direct, account
from harness.waiting import holds_for, wait_until
from harness.world import World

WAITERS, PAYMENTS = 1_000, 20


def notice(payment_id: str, user_id: str) -> str:
    """The payload of a notification: PaymentNotice.swift."""
    letters = [base64.urlsafe_b64encode(uuid.UUID(id).bytes).decode().rstrip("=") for id in (payment_id, user_id)]
    return "+" + "".join(letters)


def test_waiting_costs_no_query_and_a_notification_answers(world: World):
    # Nobody executes the payments: they stay as they are.
    gateway = Direct(world).gateway(GATEWAY_MAX_PEER_CONNECTIONS="2000", LOG_LEVEL="info")
    metric = gateway.program.metric
    payments = [gateway.pay(account()).json for _ in range(PAYMENTS)]
    ids = [each["id"] for each in payments]
    before = gateway.program.resident_kib()
    sockets = []
    for number in range(WAITERS):
        connection = socket.create_connection(("127.0.0.1", gateway.program.http_port))
        path = f"/v1/payments/{ids[number % PAYMENTS]}?wait=60s"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        sockets.append(connection)
    wait_until(lambda: metric("paysaga_gateway_waiters") == WAITERS, "all wait")

    def is_quiet() -> bool:
        reads = metric("paysaga_gateway_waiter_reads_count")
        time.sleep(0.2)
        return metric("paysaga_gateway_waiter_reads_count") == reads

    wait_until(is_quiet, "all have been read for once")
    reads = metric("paysaga_gateway_waiter_reads_count")
    holds_for(lambda: metric("paysaga_gateway_waiter_reads_count") == reads, "nothing is read for those that wait", 1.0, 0.2)
    # Some 6 KiB each, and room for what the allocator keeps.
    assert gateway.program.resident_kib() - before < 12 * WAITERS

    world.sql("UPDATE gateway.payment SET state = 'COMPLETED', version = 3 WHERE id = %s", ids[0])
    payload = notice(ids[0], payments[0]["user_id"])
    world.sql(f"NOTIFY gateway_payment, '{payload}'")
    answered = sockets[::PAYMENTS]
    for connection in answered:
        assert select.select([connection], [], [], 5)[0]
        assert b'"status":"COMPLETED"' in connection.recv(8192)
    # All of them from one reading.
    assert metric("paysaga_gateway_waiter_reads_count") == reads + 1
    assert metric("paysaga_gateway_waiters") == WAITERS - len(answered)

    # Those that leave give their places back.
    for connection in sockets:
        connection.close()
    wait_until(lambda: metric("paysaga_gateway_waiters") == 0, "no places are taken")


def test_a_caller_that_has_many_calls_waiting_may_still_call(world: World):
    gateway = Direct(world).gateway(GATEWAY_MAX_PEER_WAITERS="2", LOG_LEVEL="info")
    path = f"/v1/payments/{gateway.pay(account()).json['id']}"
    waiting = [socket.create_connection(("127.0.0.1", gateway.program.http_port)) for _ in range(2)]
    for connection, query in zip(waiting, ("?wait=60s", "/events")):
        connection.sendall(f"GET {path}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    wait_until(lambda: gateway.program.metric("paysaga_gateway_waiters") == 2, "two wait")
    for query in ("?wait=1s", "/events"):
        refused = gateway.get(path + query)
        assert refused.problem == (503, "too_many_waiters", None) and refused.headers["retry-after"] == "1"
    assert gateway.program.metric("paysaga_gateway_waiters_refused_total", limit="peer") == 2
    assert gateway.get(path).status == 200
    waiting.pop().close()
    wait_until(lambda: gateway.get(f"{path}?wait=100ms").status == 200, "its place is free again")
    waiting.pop().close()
