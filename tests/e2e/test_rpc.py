"""Both APIs through a stock grpcio client."""

import itertools
import queue
import threading
import time
from typing import Iterator

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness.rpc import COMPLETED, CREATED, FAILED, TIMEOUT, Client, payments, refused, small
from harness.waiting import wait_until
from harness.world import World

NEXT_ORDER = itertools.count(1000)
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def client(shared_world: World) -> Client:
    return shared_world.client(shared_world.server())


@pytest.fixture
def order() -> Iterator[int]:
    return next(NEXT_ORDER)


def seqs(world: World, order: int) -> list[int]:
    return [row[0] for row in world.sql("SELECT seq FROM event WHERE key = %s ORDER BY seq", str(order))]


# CreatePayment


def test_create_answers_with_the_payment(client: Client, order: int):
    payment = client.create(order, 1299, "EUR")
    assert payment.id > 0
    assert (payment.order_id, payment.status, payment.version) == (order, CREATED, 1)
    assert (payment.amount_minor, payment.currency, payment.reason) == (1299, "EUR", "")
    assert payment.created_at.ToNanoseconds() == payment.updated_at.ToNanoseconds() > 0
    lives = payment.expires_at.ToNanoseconds() - payment.created_at.ToNanoseconds()
    assert lives == 24 * 3600 * 10**9
    assert client.get(order) == payment


def test_create_again_answers_the_same(shared_world: World, client: Client, order: int):
    first = client.create(order, 500, "USD")
    assert client.create(order, 500, "USD") == first
    assert client.create(order) == first  # a call that names no amount claims none
    assert seqs(shared_world, order) == [1]


def test_create_with_another_amount_is_refused(client: Client, order: int):
    first = client.create(order, 500, "USD")
    refusal = refused(client.create, order, 501, "USD")
    assert refusal.code == Code.ALREADY_EXISTS and refusal.info.reason == "PAYMENT_DIFFERS"
    assert client.get(order) == first


def test_create_at_once_makes_one(shared_world: World, client: Client, order: int):
    request = payments.CreatePaymentRequest(order_id=order)
    calls = [client.payments.CreatePayment.future(request, timeout=TIMEOUT) for _ in range(50)]
    assert len({call.result().id for call in calls}) == 1
    assert seqs(shared_world, order) == [1]


# UpdatePaymentStatus


@pytest.mark.parametrize("status", [COMPLETED, FAILED])
def test_settle_twice_answers_the_same(shared_world: World, client: Client, order: int, status: int):
    client.create(order)
    first = client.settle(order, status, "first")
    assert (first.status, first.version, first.reason) == (status, 2, "first")
    again = client.settle(order, status, "second")
    assert again == first == client.get(order)
    assert seqs(shared_world, order) == [1, 2]


@pytest.mark.parametrize("status, other", [(COMPLETED, FAILED), (FAILED, COMPLETED)])
def test_settle_against_the_final_status_is_refused(
    shared_world: World, client: Client, order: int, status: int, other: int
):
    client.create(order)
    first = client.settle(order, status)
    refusal = refused(client.settle, order, other)
    assert refusal.code == Code.FAILED_PRECONDITION
    assert refusal.info.reason == "PAYMENT_ALREADY_SETTLED" and refusal.info.domain == "payments.paysaga"
    assert client.get(order) == first
    assert seqs(shared_world, order) == [1, 2]


def test_settle_at_once_has_one_winner(shared_world: World, client: Client, order: int):
    client.create(order)
    calls = []
    for index in range(60):
        status = (COMPLETED, FAILED)[index % 2]
        request = payments.UpdatePaymentStatusRequest(order_id=order, status=status, reason=str(index))
        calls.append((status, client.payments.UpdatePaymentStatus.future(request, timeout=TIMEOUT)))
    final = [(status, call.exception() or call.result()) for status, call in calls]
    winner = client.get(order)
    assert winner.version == 2 and winner.status in (COMPLETED, FAILED)
    for status, outcome in final:
        if status == winner.status:
            assert outcome == winner
        else:
            assert outcome.code() == Code.FAILED_PRECONDITION
    assert seqs(shared_world, order) == [1, 2]


def test_settle_of_an_unknown_order_is_not_found(client: Client, order: int):
    for call in (client.settle, client.get, client.watch):
        refusal = refused(call, order)
        assert refusal.code == Code.NOT_FOUND
        assert refusal.info.reason == "PAYMENT_NOT_FOUND" and refusal.info.domain == "payments.paysaga"


@pytest.mark.parametrize("status", [0, CREATED, 4, 99, -1])
def test_settle_to_what_is_not_final_is_invalid(shared_world: World, client: Client, order: int, status: int):
    client.create(order)
    refusal = refused(client.settle, order, status)
    assert refusal.code == Code.INVALID_ARGUMENT and refusal.fields == ["status"]
    assert refusal.info.reason == "INVALID_ARGUMENT" and refusal.info.domain == "payments.paysaga"
    assert client.get(order).status == CREATED


@pytest.mark.parametrize("bad", [0, -1, -(2**63)])
def test_an_order_id_below_one_is_invalid(client: Client, bad: int):
    for call in (client.create, client.get, client.settle, client.watch):
        refusal = refused(call, bad)
        assert refusal.code == Code.INVALID_ARGUMENT and refusal.fields == ["order_id"], (call, refusal)
    refusal = refused(client.pay_status, bad, True)
    assert refusal.code == Code.INVALID_ARGUMENT and refusal.fields == ["order_id"]


def test_the_largest_order_id_works(client: Client):
    largest = 2**63 - 1
    assert client.create(largest).order_id == largest
    assert client.settle(largest).status == COMPLETED


@pytest.mark.parametrize("amount, currency, field", [
    (-1, "EUR", "amount_minor"), (1, "", "currency"), (1, "eur", "currency"), (1, "EURO", "currency"),
    (1, "E1R", "currency"), (0, "xx", "currency"), (1, "ÄÖÜ", "currency"),
])
def test_a_wrong_amount_or_currency_is_invalid(client: Client, order: int, amount: int, currency: str, field: str):
    refusal = refused(client.create, order, amount, currency)
    assert refusal.code == Code.INVALID_ARGUMENT and refusal.fields == [field]
    assert refused(client.get, order).code == Code.NOT_FOUND


@pytest.mark.parametrize("reason", ["", "x" * 500, "ü" * 250, "😀" * 125, "line\nand\ttab \"quoted\" \\ \u0001"])
def test_a_reason_of_500_bytes_is_kept(shared_world: World, client: Client, order: int, reason: str):
    client.create(order)
    assert client.settle(order, FAILED, reason).reason == reason
    assert client.get(order).reason == reason


@pytest.mark.parametrize("reason", ["x" * 501, "x" + "ü" * 250, "a\0b", "\0"])
def test_a_longer_reason_or_a_nul_is_invalid(client: Client, order: int, reason: str):
    client.create(order)
    refusal = refused(client.settle, order, FAILED, reason)
    assert refusal.code == Code.INVALID_ARGUMENT and refusal.fields == ["reason"]
    assert client.get(order).status == CREATED


def raw_settle(client: Client, request: bytes):
    """A call with a request of our own bytes."""
    method = client.channel.unary_unary(
        "/payments.v1.PaymentService/UpdatePaymentStatus", request_serializer=lambda value: value,
        response_deserializer=payments.Payment.FromString)
    return method(request, timeout=TIMEOUT)


def test_what_is_no_message_is_refused_alone(client: Client, order: int):
    client.create(order)
    good = payments.UpdatePaymentStatusRequest(order_id=order, status=FAILED).SerializeToString()
    not_utf8 = good + b"\x1a\x04ab\xff\xfe"
    truncated = good + b"\x1a\x10abc"
    for bad in (not_utf8, truncated, b"\xff\xff\xff", b"\x08" + b"\xff" * 11):
        refusal = refused(raw_settle, client, bad)
        assert refusal.code == Code.INTERNAL, refusal
    assert client.get(order).status == CREATED
    # An unknown field is no mistake.
    assert raw_settle(client, good + b"\x9a\x06\x03abc").status == FAILED


def test_wrong_and_right_calls_at_once(client: Client):
    """A refused call takes nobody with it, although calls are settled in batches."""
    orders = [next(NEXT_ORDER) for _ in range(40)]
    for order in orders[::2]:
        client.create(order)
    calls = []
    for index, order in enumerate(orders):
        reason = "a\0b" if index % 8 == 0 else "fine"
        request = payments.UpdatePaymentStatusRequest(order_id=order, status=COMPLETED, reason=reason)
        calls.append((index, client.payments.UpdatePaymentStatus.future(request, timeout=TIMEOUT)))
    for index, call in calls:
        code = call.code()
        if index % 8 == 0:
            assert code == Code.INVALID_ARGUMENT
        else:
            assert code == (Code.OK if index % 2 == 0 else Code.NOT_FOUND)


# ListPayments


def test_list_goes_through_all_pages(client: Client):
    orders = [next(NEXT_ORDER) for _ in range(25)]
    for order in orders:
        client.create(order)
    for order in orders[::5]:
        client.settle(order, FAILED)

    def pages(status: int, size: int) -> list:
        found, token, count = [], "", 0
        while True:
            page = client.list(status, size, token)
            assert len(page.payments) <= size
            found += page.payments
            token = page.next_page_token
            count += 1
            if not token:
                return found
            assert count < 1000, "the pages do not end"

    everything = pages(0, 7)
    ids = [payment.id for payment in everything]
    assert ids == sorted(set(ids)), "a payment is listed twice or out of order"
    assert set(orders) <= {payment.order_id for payment in everything}
    failed = pages(FAILED, 2)
    assert set(orders[::5]) <= {payment.order_id for payment in failed}
    assert {payment.status for payment in failed} == {FAILED}
    assert failed == [payment for payment in everything if payment.status == FAILED]
    assert client.list(0, 0).payments, "a page size of 0 means the server's choice"


def test_a_list_begins_with_the_newest_and_ends_at_a_time(client: Client):
    old = [client.create(next(NEXT_ORDER)) for _ in range(6)]
    time.sleep(0.01)
    new = [client.create(next(NEXT_ORDER)) for _ in range(7)]
    client.settle(new[2].order_id, FAILED)

    def pages(since: Timestamp | None, status: int = 0, size: int = 3, most: int = 1000) -> list[int]:
        found, token = [], ""
        while len(found) < most:
            page = client.list(status, size, token, newest_first=True, created_since=since)
            found += [payment.id for payment in page.payments]
            token = page.next_page_token
            if not token:
                break
        return found

    newest = [payment.id for payment in reversed(new)]
    assert pages(new[0].created_at) == newest
    assert pages(None, most=13)[:13] == newest + [payment.id for payment in reversed(old)]
    assert pages(new[0].created_at, FAILED) == [new[2].id]
    everything = pages(None)
    assert everything == sorted(set(everything), reverse=True) and set(newest) <= set(everything)
    # Beyond the end of time there is nothing.
    assert pages(Timestamp(seconds=4_000_000_000)) == []


@pytest.mark.parametrize("arguments, more, field", [
    ((4, 0, ""), {}, "status"), ((0, -1, ""), {}, "page_size"), ((0, 0, "nonsense"), {}, "page_token"),
    ((0, 0, "after--1"), {}, "page_token"), ((0, 0, "before-7"), {}, "page_token"),
    ((0, 0, "after-7"), {"newest_first": True}, "page_token"),
    ((0, 0, ""), {"created_since": Timestamp(seconds=1)}, "created_since"),
    ((0, 0, ""), {"newest_first": True, "created_since": Timestamp(seconds=1 << 50)}, "created_since"),
])
def test_a_wrong_list_is_invalid(client: Client, arguments: tuple, more: dict, field: str):
    refusal = refused(client.list, *arguments, **more)
    assert refusal.code == Code.INVALID_ARGUMENT and refusal.fields == [field]


# WatchPayment


def collect(call) -> queue.Queue:
    """Reads a stream on a thread; the queue gets each message, then the status code."""
    found: queue.Queue = queue.Queue()

    def run():
        try:
            for message in call:
                found.put(message)
            found.put(Code.OK)
        except grpc.RpcError as error:
            found.put(error.code())

    threading.Thread(target=run, daemon=True).start()
    return found


def test_watch_sees_the_settling_and_ends(client: Client, order: int):
    client.create(order)
    seen = collect(client.watch(order))
    assert seen.get(timeout=TIMEOUT).status == CREATED
    settled = client.settle(order, COMPLETED, "watched")
    assert seen.get(timeout=TIMEOUT) == settled
    assert seen.get(timeout=TIMEOUT) == Code.OK


def test_watch_of_a_final_payment_ends_at_once(client: Client, order: int):
    client.create(order)
    settled = client.settle(order, FAILED, "over")
    assert list(client.watch(order)) == [settled]


def test_many_watch_one_payment(client: Client, order: int):
    client.create(order)
    watchers = [collect(client.watch(order)) for _ in range(20)]
    for seen in watchers:
        assert seen.get(timeout=TIMEOUT).status == CREATED
    client.settle(order)
    for seen in watchers:
        assert seen.get(timeout=TIMEOUT).status == COMPLETED
        assert seen.get(timeout=TIMEOUT) == Code.OK


def test_a_watch_ends_with_its_deadline_or_when_cancelled(client: Client, order: int):
    client.create(order)
    seen = collect(client.watch(order, timeout=0.5))
    assert seen.get(timeout=TIMEOUT).status == CREATED
    assert seen.get(timeout=TIMEOUT) == Code.DEADLINE_EXCEEDED
    call = client.watch(order)
    seen = collect(call)
    assert seen.get(timeout=TIMEOUT).status == CREATED
    call.cancel()
    assert seen.get(timeout=TIMEOUT) == Code.CANCELLED
    assert client.settle(order).status == COMPLETED


# paymentsapi


def test_the_small_api_settles(shared_world: World, client: Client):
    for status, expected in ((True, COMPLETED), (False, FAILED)):
        order = next(NEXT_ORDER)
        client.create(order)
        client.pay_status(order, status)
        assert client.get(order).status == expected
        client.pay_status(order, status)
        assert seqs(shared_world, order) == [1, 2]
        refusal = refused(client.pay_status, order, not status)
        assert refusal.code == Code.FAILED_PRECONDITION and refusal.info.reason == "PAYMENT_ALREADY_SETTLED"
    assert refused(client.pay_status, next(NEXT_ORDER), True).code == Code.NOT_FOUND


def test_the_small_api_pings(client: Client):
    assert client.small.GetPing(small_empty(), timeout=TIMEOUT) == small.Pong(pong=True)


def small_empty():
    from google.protobuf import empty_pb2

    return empty_pb2.Empty()


# What every gRPC server owes its callers


def test_requests_may_come_compressed(client: Client, order: int):
    """Whatever the codec, and each call alone: a message that is not worth it goes out as it is."""
    client.create(order)
    reason = "declined " * 50
    settled = client.settle(order, FAILED, reason, compression=grpc.Compression.Gzip)
    assert (settled.status, settled.reason) == (FAILED, reason)
    assert list(client.watch(order, compression=grpc.Compression.Gzip)) == [settled]
    refusal = refused(client.get, order, compression=grpc.Compression.Deflate)
    assert refusal.code == Code.UNIMPLEMENTED and "deflate" in refusal.message


def test_a_gzip_bomb_leaves_memory_flat(shared_world: World):
    server = shared_world.server(SERVER_MAX_MESSAGE_SIZE=str(4 << 20))
    client = shared_world.client(server)
    bomb = bytes(64 << 20)
    assert client.create(next(NEXT_ORDER), compression=grpc.Compression.Gzip).status == CREATED
    before = server.resident_kib("VmHWM")
    # Compressed it is below the limit of any message.
    method = client.channel.unary_unary("/grpc.health.v1.Health/Check", lambda value: value)
    for _ in range(3):
        refusal = refused(method, bomb, timeout=TIMEOUT, compression=grpc.Compression.Gzip)
        assert refusal.code == Code.RESOURCE_EXHAUSTED and "expands" in refusal.message
    assert server.resident_kib("VmHWM") - before < 20 << 10


def test_an_unknown_method_or_service_is_unimplemented(client: Client):
    for path in ("/payments.v1.PaymentService/Nothing", "/nobody.Service/GetPing"):
        method = client.channel.unary_unary(path, lambda value: value, lambda value: value)
        assert refused(method, b"", timeout=TIMEOUT).code == Code.UNIMPLEMENTED


SERVICES = ["", "payments.v1.PaymentService", "paymentsapi.PaymentsApi"]


@pytest.mark.parametrize("service", SERVICES)
def test_health_says_serving(client: Client, service: str):
    health = health_pb2_grpc.HealthStub(client.channel)
    request = health_pb2.HealthCheckRequest(service=service)

    def serves():
        return health.Check(request, timeout=TIMEOUT).status == health_pb2.HealthCheckResponse.SERVING

    wait_until(serves, "health says SERVING")
    watch = health.Watch(request, timeout=TIMEOUT)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def test_health_of_an_unknown_service(client: Client):
    health = health_pb2_grpc.HealthStub(client.channel)
    request = health_pb2.HealthCheckRequest(service="nobody.Service")
    assert refused(health.Check, request, timeout=TIMEOUT).code == Code.NOT_FOUND
    watch = health.Watch(request, timeout=TIMEOUT)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()
