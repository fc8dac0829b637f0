"""Kafka and PostgreSQL away, at the start and in between: the programs stay, say so, and lose nothing."""

import signal
import time

import grpc
import pytest
from confluent_kafka import Consumer
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness import oracle
from harness.flow import Flow
from harness.rpc import COMPLETED, refused
from harness.servers import DevKafka, PostgresServer
from harness.waiting import holds_for, wait_until
from harness.world import World

Code = grpc.StatusCode


@pytest.fixture
def kafka(own_kafka: DevKafka):
    """Up when the test begins and when it ends."""
    own_kafka.up()
    yield own_kafka
    own_kafka.up()


@pytest.fixture
def postgres(own_postgres: PostgresServer):
    """Running when the test ends."""
    yield own_postgres
    if not own_postgres.is_running:
        own_postgres.start()


def test_the_broker_is_down_at_the_start(make_world, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    world.push_orders(range(1, 11))
    kafka.down()
    programs = [world.program(name) for name in ("payments-server", "payments-consumer", "payments-cron")]
    server, consumer, cron = programs
    for program in programs:
        program.start()
    # Payments can be opened and settled meanwhile; their events wait.
    client = world.client(server)
    assert client.create(100).order_id == 100
    assert client.settle(100).status == COMPLETED
    for program in programs:
        wait_until(lambda: program.readiness()[0] == 503, f"{program.name} is not ready")
    assert world.count_events("WAIT") == 2
    assert all(program.is_running for program in programs)
    kafka.up()
    for program in programs:
        program.wait_ready()
    world.wait_for_payments(11)
    assert oracle.check(world) == oracle.Verdict(11, 12, 12, 0)


def test_the_broker_goes_and_comes_back(make_world, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    server, consumer = world.server(), world.consumer()
    client = world.client(server)
    world.push_orders(range(1, 51))
    world.wait_for_payments(50)
    world.wait_until_published(50)

    kafka.down()
    for order in range(1, 26):
        client.settle(order)
    for program in (server, consumer):
        program.wait_not_ready("kafka")
    # Longer than a delivery timeout (a third of CRON_RESERVE), so that deliveries have failed several times.
    holds_for(lambda: server.is_running and consumer.is_running, "a program died of the outage", 5)
    assert world.value("SELECT count(*) FROM event WHERE status <> 'DONE'") == 25
    assert world.value("SELECT coalesce(sum(attempts), 0) FROM event WHERE status <> 'DONE'") == 0
    assert world.count_events("DEAD") == 0

    kafka.up()
    for program in (server, consumer):
        program.wait_ready()
    world.push_orders(range(51, 61))
    world.wait_for_payments(60, timeout=60)
    # An outage may cut the answer to a delivery that arrived: copies of the same event are allowed.
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    assert (verdict.payments, verdict.events) == (60, 85)


def test_a_delivery_that_arrived_unanswered_is_not_doubled(make_world, kafka: DevKafka):
    """Connections cut while produce requests are under way: the idempotent producer sends again, the broker knows."""
    world: World = make_world(kafka=kafka)
    server = world.server()
    client = world.client(server)
    for order in range(1, 101):
        if order % 10 == 0:
            kafka.control("error Produce 2 _TRANSPORT")
        client.create(order)
    wait_until(lambda: world.count_events("DONE") == 100, "all are published", 60)
    verdict = oracle.check(world, duplicates_allowed=True)
    assert (verdict.payments, verdict.events) == (100, 100)


def test_an_error_the_broker_may_get_over_is_tried_again_in_order(make_world, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    client = world.client(world.server())
    kafka.control("error Produce 5 NOT_LEADER_FOR_PARTITION")
    for order in range(1, 21):
        client.create(order)
        client.settle(order)
    kafka.control("clear Produce")
    verdict = oracle.check(world, timeout=60)
    assert verdict == oracle.Verdict(20, 40, 40, 0)


def test_the_group_rebalances_while_a_batch_waits_for_postgres(make_world, postgres: PostgresServer):
    """A stranger joins and takes partitions while the member holds messages it cannot finish, and goes again."""
    world: World = make_world(postgres=postgres)
    server, consumer = world.server(), world.consumer()
    world.push_orders(range(1, 21))
    world.wait_for_payments(20)
    postgres.crash()
    consumer.wait_not_ready("postgres")
    world.push_orders(range(21, 121))
    consumer.wait_for_output("a batch is tried again")
    stranger = Consumer({
        "bootstrap.servers": world.broker.brokers, "group.id": world.group, "enable.auto.commit": False,
        "partition.assignment.strategy": "roundrobin", "session.timeout.ms": 6000, "log_level": 0,
    })
    try:
        stranger.subscribe([world.inventory])

        def joined():
            stranger.poll(0.2)
            return len(stranger.assignment()) > 0

        wait_until(joined, "the stranger has partitions", 60)
    finally:
        stranger.close()
    postgres.start()
    server.wait_ready()
    world.wait_for_payments(120, timeout=60)
    wait_until(lambda: world.lag() == 0, "every offset is committed", 60)
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    assert (verdict.payments, verdict.events) == (120, 120)


def test_postgres_is_down_at_the_start(make_world, postgres: PostgresServer):
    world: World = make_world(postgres=postgres)
    postgres.crash()
    programs = [world.program(name) for name in ("payments-server", "payments-consumer", "payments-cron")]
    for program in programs:
        program.start()
    for program in programs:
        wait_until(lambda: program.readiness()[0] == 503, f"{program.name} is not ready")
    postgres.start()
    for program in programs:
        program.wait_ready()
    world.push_orders(range(1, 6))
    world.wait_for_payments(5)
    assert oracle.check(world) == oracle.Verdict(5, 5, 5, 0)


def test_postgres_crashes_and_comes_back(make_world, postgres: PostgresServer):
    world: World = make_world(postgres=postgres)
    server, consumer = world.server(), world.consumer()
    client = world.client(server)
    world.push_orders(range(1, 101))
    world.wait_for_payments(100)
    world.wait_until_published(100)

    postgres.crash()
    server.wait_not_ready("postgres")
    consumer.wait_not_ready("postgres")
    world.push_orders(range(101, 151))
    began = time.monotonic()
    refusal = refused(client.settle, 1, timeout=2)
    took = time.monotonic() - began
    assert refusal.code == Code.UNAVAILABLE, refusal
    assert 1 <= took < 2.2, f"the call was given up after {took:.2f} s of 2"
    for call in (client.get, client.create):
        assert refused(call, 1, timeout=2).code == Code.UNAVAILABLE
    holds_for(lambda: server.is_running and consumer.is_running, "a program died of the outage", 2)

    postgres.start()
    server.wait_ready()
    consumer.wait_ready()
    world.wait_for_payments(150, timeout=60)
    assert client.settle(1, timeout=20).status == COMPLETED
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    # The refused calls changed nothing or settled order 1, which then was settled once.
    assert (verdict.payments, verdict.events) == (150, 151)


def test_postgres_stops_and_starts_under_messages(make_world, postgres: PostgresServer):
    """An orderly stop, which ends sessions wherever they are, while messages and repeats keep coming."""
    world: World = make_world(postgres=postgres)
    consumer = world.consumer()
    world.cron()
    flow = Flow(world)
    try:
        flow.passes()
        postgres.send(signal.SIGINT)
        postgres.wait(30)
        before = flow.orders
        consumer.wait_not_ready("postgres")
        wait_until(lambda: flow.orders > before + 100, "messages come meanwhile")
        postgres.start()
        flow.passes(timeout=30)
    finally:
        flow.end()
    wait_until(lambda: world.lag() == 0, "every offset is committed", 30)
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    assert (verdict.payments, verdict.events) == (flow.orders, flow.orders)


def test_postgres_restarts_under_calls(make_world, postgres: PostgresServer):
    """A call that was acknowledged is durable; one that was not may be made again without a second effect."""
    world: World = make_world(postgres=postgres)
    client = world.client(world.server())
    orders = range(1, 401)
    for call in [create_call(client, order) for order in orders]:
        call.result()
    calls = {order: settle_call(client, order) for order in orders}
    postgres.crash()
    postgres.start()
    acknowledged = set()
    for order, call in calls.items():
        code = call.code()
        assert code in (Code.OK, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED), f"{code} {call.details()}"
        if code == Code.OK:
            acknowledged.add(order)
    rows = world.sql("SELECT order_id FROM payment WHERE status = 'COMPLETED'")
    assert acknowledged <= {row[0] for row in rows}, "an acknowledged call is lost"
    for order in orders:
        assert client.settle(order, timeout=20).version == 2
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    assert (verdict.payments, verdict.events) == (400, 800)


def create_call(client, order: int):
    from harness.rpc import payments

    return client.payments.CreatePayment.future(payments.CreatePaymentRequest(order_id=order), timeout=20)


def settle_call(client, order: int):
    from harness.rpc import payments

    request = payments.UpdatePaymentStatusRequest(order_id=order, status=COMPLETED)
    return client.payments.UpdatePaymentStatus.future(request, timeout=20)


def test_cut_database_connections_are_replaced(world: World):
    server, consumer = world.server(), world.consumer()
    client = world.client(server)
    for order in range(1, 31):
        client.create(order)
        world.databases.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
            " AND application_name LIKE 'payments-%%'", world.database)

        def settled():
            return client.settle(order, timeout=5).status == COMPLETED

        wait_until(settled, f"order {order} is settled", 20)
    world.push_orders(range(31, 41))
    world.wait_for_payments(40)
    assert consumer.is_running
    verdict = oracle.check(world, duplicates_allowed=True)
    assert (verdict.payments, verdict.events) == (40, 70)


def test_health_follows_the_database_and_the_broker(make_world, postgres: PostgresServer, kafka: DevKafka):
    """Watch tells of each change; the broker's absence shows under its own name, for calls are served without it."""
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    world: World = make_world(postgres=postgres, kafka=kafka)
    stub = health_pb2_grpc.HealthStub(world.client(world.server()).channel)
    services = ["", "payments.v1.PaymentService", "paymentsapi.PaymentsApi", "postgres", "kafka"]
    watches = {name: stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=120) for name in services}

    def expect(status: int, *names: str) -> None:
        for name in names:
            # What comes before it is the state of the start.
            assert any(found.status == status for found in watches[name]), name

    expect(serving, *services)
    postgres.crash()
    expect(not_serving, *services[:4])
    statuses = stub.List(health_pb2.HealthListRequest(), timeout=5).statuses
    assert {name for name in services if statuses[name].status == serving} == {"kafka"}
    postgres.start()
    expect(serving, *services[:4])
    kafka.down()
    expect(not_serving, "kafka")
    statuses = stub.List(health_pb2.HealthListRequest(), timeout=5).statuses
    assert {name for name in services if statuses[name].status == serving} == set(services[:4])
    kafka.up()
    expect(serving, "kafka")
