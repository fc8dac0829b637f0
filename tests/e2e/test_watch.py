"""WatchPayment: changes arrive as they commit, whichever process makes them."""

import queue
import threading
import time

import grpc
import pytest

from harness.rpc import COMPLETED, CREATED, FAILED, TIMEOUT, Client, payments
from harness.servers import PostgresServer
from harness.waiting import wait_until
from harness.world import World

Code = grpc.StatusCode

# The hub looks by itself once a second: ten changes that each arrive within this were told, not found.
PROMPT = 0.5


class Watch:
    """A watch read on a thread of its own: each payment with the time at which it came, then the status code."""

    def __init__(self, client: Client, order: int, timeout: float = 60.0):
        self.call = client.watch(order, timeout=timeout)
        self.seen: queue.Queue = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for payment in self.call:
                self.seen.put((payment, time.time()))
            self.seen.put(Code.OK)
        except grpc.RpcError as error:
            self.seen.put(error.code())

    def next(self, timeout: float = TIMEOUT):
        return self.seen.get(timeout=timeout)

    def first(self) -> "Watch":
        """Reads the state the watch begins with."""
        payment, _ = self.next()
        assert payment.status == CREATED
        return self


@pytest.mark.parametrize("cron", ["true", "false"])
def test_a_settlement_in_another_server_arrives_at_once(world: World, cron: str):
    """The settling server relays every event itself or none: it must tell the other one either way."""
    settling = world.client(world.server(CRON_ENABLED=cron))
    watching = world.client(world.server(CRON_ENABLED="false"))
    for order in range(1, 11):
        settling.create(order)
        watch = Watch(watching, order).first()
        settled = settling.settle(order, COMPLETED if order % 2 else FAILED, "elsewhere")
        at = time.time()
        payment, seen = watch.next()
        assert payment == settled and seen - at < PROMPT
        assert watch.next() == Code.OK


def test_an_expiry_in_another_process_arrives_at_once(world: World):
    server = world.server(CRON_ENABLED="false", PAYMENT_TTL="1s")
    client = world.client(server)
    world.cron(PAYMENT_TTL="1s")
    for order in range(1, 4):
        client.create(order)
        watch = Watch(client, order).first()
        payment, seen = watch.next()
        assert (payment.status, payment.reason) == (FAILED, "EXPIRED")
        assert seen - payment.updated_at.ToNanoseconds() / 1e9 < PROMPT
        assert watch.next() == Code.OK


def test_an_expiry_in_the_same_process_arrives_at_once(world: World):
    client = world.client(world.server(PAYMENT_TTL="1s"))
    for order in range(1, 3):
        client.create(order)
        watch = Watch(client, order).first()
        payment, seen = watch.next()
        assert payment.status == FAILED
        assert seen - payment.updated_at.ToNanoseconds() / 1e9 < PROMPT


def test_a_restart_of_the_database_in_the_middle_loses_no_change(make_world, own_postgres: PostgresServer):
    world: World = make_world(postgres=own_postgres)
    watching, settling = world.server(CRON_ENABLED="false"), world.server()
    client = world.client(watching)
    try:
        for order in (1, 2):
            client.create(order)
        watches = {order: Watch(client, order).first() for order in (1, 2)}
        own_postgres.crash()
        watching.wait_not_ready("postgres")
    finally:
        own_postgres.start()
    for order, watch in watches.items():
        # At once after the start, whether or not the watching server listens again by then.
        settled = world.client(settling).settle(order, timeout=30)
        payment, _ = watch.next(30)
        assert payment == settled
        assert watch.next() == Code.OK


def test_thousands_of_watches_end_without_a_trace(shared_world: World):
    """Those that are refused, cancelled or time out are forgotten, and a slow reader holds one payment."""
    server = shared_world.server()
    clients = [shared_world.client(server) for _ in range(10)]
    for order in range(1, 101):
        clients[0].create(order)
    before = server.resident_kib()
    for _ in range(3):
        # Nobody reads these.
        calls = [client.watch(order, timeout=60) for client in clients for order in range(1, 101)]
        wait_until(lambda: server.metric("paysaga_payments_watches") == 1_000, "a thousand calls watch")
        for call in calls:
            call.cancel()
        wait_until(lambda: server.metric("paysaga_payments_watches") == 0, "no call watches")
    missing = [clients[0].payments.WatchPayment(payments.WatchPaymentRequest(order_id=10_000 + number), timeout=TIMEOUT)
               for number in range(200)]
    assert {call.code() for call in missing} == {Code.NOT_FOUND}
    wait_until(lambda: server.metric("paysaga_payments_watches") == 0, "no call watches")
    assert server.resident_kib() - before < 32 << 10
    watch = Watch(clients[0], 1).first()
    assert clients[0].settle(1) == watch.next()[0]


def test_the_end_of_the_server_ends_its_watches(world: World):
    server = world.server()
    client = world.client(server)
    client.create(1)
    watch = Watch(client, 1).first()
    assert server.stop() == 0
    assert watch.next() == Code.UNAVAILABLE


@pytest.mark.parametrize("minimum, is_cut", [("500ms", False), ("10m", True)])
def test_a_watch_may_be_kept_alive(world: World, minimum: str, is_cut: bool):
    """As by a balancer that wants PINGs every 10 s where `SERVER_KEEPALIVE_MIN_TIME` is 5 s, at a tenth of the time."""
    server = world.server(CRON_ENABLED="false", SERVER_KEEPALIVE_MIN_TIME=minimum)
    client = Client(server.grpc_port, keepalive_time_ms=1_000, keepalive_timeout_ms=10_000, **{
        "http2.max_pings_without_data": 0})
    try:
        client.create(1)
        watch = Watch(client, 1).first()
        if is_cut:
            assert watch.next() in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)
            wait_until(lambda: "too_many_pings" in server.output, "the log says why")
            return
        # Three PINGs too early would be the end.
        with pytest.raises(queue.Empty):
            watch.next(timeout=6)
        settled = client.settle(1)
        assert watch.next()[0] == settled and watch.next() == Code.OK
    finally:
        client.close()
