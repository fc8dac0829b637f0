"""Streams of server-sent events: to the end of a payment, over a gateway's death, without queries, for slow readers."""

import base64
import re
import socket
import time
import uuid

import pytest

from harness.direct import FINAL, Direct, Gateway, account
from harness.events import Event, Stream
from harness.process import Program
from harness.waiting import holds_for, wait_until
from harness.world import World


@pytest.fixture(scope="module")
def gateway(direct: Direct) -> Gateway:
    return direct.gateway(GATEWAY_MAX_PEER_CONNECTIONS="4000")


def is_final(event: Event) -> bool:
    return event.payment["status"] in FINAL


def test_a_stream_follows_a_payment_to_its_end(direct: Direct, processor: Program, gateway: Gateway):
    direct.bank.behave(delay_ms=300)
    payment = gateway.pay(account()).json
    stream = Stream(gateway, f"/v1/payments/{payment['id']}/events")
    events = stream.until(is_final)
    direct.bank.behave(delay_ms=0)
    versions = [event.payment["version"] for event in events]
    assert len(versions) >= 2 and versions == sorted(set(versions))
    assert [event.id for event in events] == [str(version) for version in versions]
    assert events[-1].payment == gateway.payment(payment["id"])
    wait_until(lambda: stream.has_ended, "the stream ends after the final state")
    assert not stream.is_broken and stream.is_empty and stream.retry == 2000
    assert stream.headers["content-type"] == "text/event-stream" and stream.headers["cache-control"] == "no-store"

    # A browser comes back, and is told that there is nothing more.
    again = gateway.get(f"/v1/payments/{payment['id']}/events", Last_Event_ID=stream.id)
    assert (again.status, again.body) == (204, b"")
    assert gateway.get(f"/v1/payments/{uuid.uuid4()}/events").problem == (404, "payment_not_found", None)


def test_a_users_stream_goes_on_at_another_gateway(direct: Direct, processor: Program, gateway: Gateway):
    user = str(uuid.uuid4())
    paid = [gateway.paid(account(), user_id=user)["id"] for _ in range(3)]
    other = direct.gateway()
    stream = Stream(other, f"/v1/users/{user}/events")
    assert [stream.next().payment["id"] for _ in range(3)] == paid
    # Another gateway has taken it in.
    fourth = gateway.pay(account(), user_id=user).json["id"]
    assert {event.payment["id"] for event in stream.until(is_final)} == {fourth}

    # What is still open when the gateway dies, and what comes while nobody looks, is in the rest of the stream.
    direct.bank.behave(delay_ms=1_500)
    fifth = gateway.pay(account(), user_id=user).json["id"]
    assert stream.next().payment["id"] == fifth
    other.program.kill()
    wait_until(lambda: stream.has_ended, "the stream breaks")
    sixth = gateway.pay(account(), user_id=user).json["id"]
    for id in (fifth, sixth):
        gateway.await_status(id, "COMPLETED")
    direct.bank.behave(delay_ms=0)
    rest = Stream(gateway, f"/v1/users/{user}/events", stream.id)
    wanted = {fifth, sixth}
    seen = {event.payment["id"] for event in rest.until(lambda event: is_final(event) and event.payment["id"] == sixth)
            if is_final(event)}
    assert wanted <= seen
    # Nobody else's payments are in it.
    gateway.paid(account())
    holds_for(lambda: rest.is_empty, "a stranger's payment", 0.3)
    rest.close()


def test_a_stream_lives_through_an_outage_of_the_listener(
        direct: Direct, processor: Program, gateway: Gateway, shared_world: World):
    user = str(uuid.uuid4())
    stream = Stream(gateway, f"/v1/users/{user}/events")
    wait_until(lambda: stream.id, "the stream has a position")
    listener = "application_name LIKE 'payments-gateway%%listener' AND datname = current_database()"
    # What commits while nobody listens is noticed afterwards.
    for _ in range(3):
        payment = gateway.pay(account(), user_id=user).json["id"]
        shared_world.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listener}")
        events = stream.until(lambda event: event.payment["id"] == payment and is_final(event))
        assert events
    stream.close()


def test_streams_cost_no_query_and_little_memory(processor: Program, shared_world: World, gateway: Gateway):
    metric = gateway.program.metric
    # Nobody executes these.
    others = [gateway.pay(account(), user_id=str(uuid.uuid4())).json for _ in range(2)]
    ids = [each["id"] for each in others]
    for id in ids:
        gateway.await_status(id, *FINAL)
    shared_world.sql("UPDATE gateway.payment SET state = 'PROCESSING', version = 900 WHERE id = ANY(%s::uuid[])", ids)
    before, count = gateway.program.resident_kib(), 1_000
    sockets = []
    for number in range(count):
        payment = others[number % 2]
        path = (f"/v1/payments/{payment['id']}/events" if number % 4 < 2 else f"/v1/users/{payment['user_id']}/events")
        connection = socket.create_connection(("127.0.0.1", gateway.program.http_port))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        sockets.append(connection)
    for connection in sockets:
        connection.settimeout(20)
        while b'"version":900' not in connection.recv(8192):
            pass
    assert metric("paysaga_gateway_live_streams") == count
    reads = metric("paysaga_gateway_live_reads_count")
    holds_for(lambda: metric("paysaga_gateway_live_reads_count") == reads, "nothing is read for streams", 1.0, 0.2)
    # 7 KiB each, and room for what the allocator keeps.
    assert gateway.program.resident_kib() - before < 12 * count
    for connection in sockets:
        connection.close()
    wait_until(lambda: metric("paysaga_gateway_live_streams") == 0, "all have left")
    wait_until(lambda: metric("paysaga_gateway_waiters") == 0, "no places are taken")


def notice(payment: str, user: str) -> str:
    """What gateways tell each other of a change."""
    letters = [base64.urlsafe_b64encode(uuid.UUID(each).bytes).decode().rstrip("=") for each in (payment, user)]
    return "+" + "".join(letters)


class SlowReader:
    """A stream whose reader takes nothing until it is told to. `large` makes its events 28 KiB."""

    def __init__(self, gateway: Gateway, path: str):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", gateway.program.http_port))
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self._read = b""

    def read(self) -> bytes:
        self._socket.settimeout(0.5)
        try:
            part = self._socket.recv(1 << 20)
        except TimeoutError:
            return b""
        self._read += part
        return part

    @property
    def versions(self) -> list[int]:
        return [int(each) for each in re.findall(rb'"version":(\d+)', self._read)]

    def read_all(self) -> bool:
        """Whether the connection has ended, and not just nothing comes."""
        while True:
            try:
                if not self.read():
                    self._socket.settimeout(0.5)
                    return self._socket.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

    def close(self) -> None:
        self._socket.close()


LARGE = {f"field-{number}": "x" * 500 for number in range(50)}


def change_until(world: World, payment: dict, user: str, is_done) -> int:
    """Lets a payment change until something happens; its version then."""
    version, deadline = payment["version"], time.monotonic() + 30
    while not is_done():
        assert time.monotonic() < deadline, "it does not happen"
        for _ in range(50):
            version += 1
            world.sql("UPDATE gateway.payment SET version = %s WHERE id = %s", version, payment["id"])
            world.sql("SELECT pg_notify('gateway_payment', %s)", notice(payment["id"], user))
    return version


def test_a_slow_reader_is_sent_the_rest_when_it_has_room(processor: Program, shared_world: World, gateway: Gateway):
    metric = gateway.program.metric
    user = str(uuid.uuid4())
    payment = gateway.paid(account(), user_id=user, metadata=LARGE)
    slow = SlowReader(gateway, f"/v1/users/{user}/events")
    wait_until(lambda: metric("paysaga_gateway_live_streams") == 1, "it follows")
    before = metric("paysaga_gateway_live_stalls_total")
    version = change_until(
        shared_world, payment, user, lambda: metric("paysaga_gateway_live_stalls_total") > before)
    # It is as it was, and what changes meanwhile is not sent state by state.
    assert metric("paysaga_gateway_live_streams") == 1

    def newest():
        slow.read()
        assert slow.versions[-1:] == [version], slow.versions[-3:]
        return slow.versions

    versions = wait_until(newest, "it has the newest state", 30)
    assert versions == sorted(versions) and len(versions) < version
    slow.close()


def test_a_reader_that_takes_nothing_is_cut_off_and_goes_on(
        direct: Direct, processor: Program, shared_world: World):
    gateway = direct.gateway(GATEWAY_SEND_TIMEOUT="1s")
    metric = gateway.program.metric
    user = str(uuid.uuid4())
    payment = gateway.paid(account(), user_id=user, metadata=LARGE)
    slow = SlowReader(gateway, f"/v1/users/{user}/events")
    wait_until(lambda: metric("paysaga_gateway_live_streams") == 1, "it follows")
    version = change_until(shared_world, payment, user, lambda: metric("paysaga_gateway_live_streams") == 0)
    # It notices: the connection ends in the middle of the answer.
    assert slow.read_all() and version not in slow.versions
    slow.close()
    stream = Stream(gateway, f"/v1/users/{user}/events")
    assert stream.next().payment["version"] == version
    stream.close()
    gateway.program.stop()
