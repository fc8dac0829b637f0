"""Eleven faults as an on-call engineer meets them, each found and repaired with what is at hand."""

import itertools
from pathlib import Path
from typing import Callable

import psycopg
import pytest

from drill import Drill
from harness.servers import Broker, DevKafka, PostgresServer, RedisServer, SmallDisk
from harness.waiting import wait_until
from harness.world import World, inventory_message

MakeDrill = Callable[..., Drill]


@pytest.fixture
def kafka(own_kafka: DevKafka):
    """Up, and refusing nothing, when a drill ends."""
    yield own_kafka
    own_kafka.control("clear Produce")
    own_kafka.up()


def test_the_broker_is_away(make_world, make_drill: MakeDrill, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    relay, server = world.cron(), world.server(CRON_ENABLED="false")
    client = world.client(server)
    kafka.down()
    client.create(111)
    drill = make_drill("The broker is away", world, "Payments are opened and settled; nothing reaches the topic.")
    drill.shows("outbox", "status", expect="broker_away")
    drill.ready(relay, '"kafka":{"ok":false')
    drill.found()
    drill.acts("bring the broker back, or name the right ones in KAFKA_BROKERS")
    kafka.up()
    drill.shows("outbox", "status", expect=r"waiting=0\b")
    drill.repaired()


def test_a_relay_is_frozen_with_its_leases(make_world, make_drill: MakeDrill):
    world: World = make_world()
    frozen, server = world.cron(CRON_RESERVE="60s"), world.server(CRON_ENABLED="false")
    client = world.client(server)
    client.create(111)
    world.wait_until_published(1)
    drill = make_drill(
        "A relay is frozen with its leases", world, "One of two virtual machines stands still. Its orders' events wait.")
    with frozen.frozen():
        other = world.program("payments-cron", CRON_RESERVE="60s").start()
        client.settle(111)
        drill.shows("outbox", "status", expect="relay_silent")
        drill.found()
        drill.acts("the leases end by themselves; whoever knows that the relay is dead need not wait")
        drill.does("outbox", "take-over", str(world.value("SELECT shard FROM event WHERE status = 'WAIT'")))
        drill.shows("outbox", "status", expect=r"waiting=0\b")
        drill.repaired()
        other.wait_ready()


def test_a_dead_event_blocks_an_order(make_world, make_drill: MakeDrill, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    relay, server = world.cron(), world.server(CRON_ENABLED="false")
    client = world.client(server)
    # Once in the batch with others, once alone: then it is dead.
    kafka.control("error Produce 2 MSG_SIZE_TOO_LARGE")
    client.create(111)
    wait_until(lambda: world.count_events("DEAD") == 1, "the event is dead", 60)
    client.settle(111)
    drill = make_drill("A dead event blocks an order", world, "The broker refused an event of order 111 for good.")
    drill.shows("outbox", "status", expect="behind_dead")
    drill.shows("outbox", "list", "--status", "DEAD", expect="MSG_SIZE_TOO_LARGE|too large")
    drill.logs(relay, "dead")
    drill.found()
    drill.acts("raise the topic's max.message.bytes")
    drill.does("outbox", "requeue", "--all")
    drill.shows("trace", "111", expect="COMPLETED")
    drill.shows("outbox", "status", expect=r"waiting=0\b.*dead=0\b")
    drill.repaired()


def test_a_topic_is_not_authorised(make_world, make_drill: MakeDrill, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    world.cron()
    client = world.client(world.server(CRON_ENABLED="false"))
    kafka.control("error Produce 10000 TOPIC_AUTHORIZATION_FAILED")
    client.create(111)
    drill = make_drill("A topic is not authorised", world, "Somebody took the relay's right to write away.")
    drill.shows("outbox", "status", expect="broker_refuses")
    drill.shows("outbox", "list", expect="TOPIC_AUTHORIZATION_FAILED|uthoriz")
    drill.found()
    drill.acts("kafka-acls.sh --add --allow-principal User:relay --operation Write --topic payment")
    kafka.control("clear Produce")
    drill.shows("outbox", "status", expect=r"waiting=0\b")
    drill.repaired()


def test_poison_and_an_unknown_status(make_world, make_drill: MakeDrill):
    world: World = make_world()
    consumer = world.consumer()
    world.push(b"{nonsense", key=b"111")
    world.push(inventory_message(111, status="RESERVD"))
    drill = make_drill(
        "Poison and an unknown status on the inventory topic", world, "Order 111 has no payment, and nobody knows why.")
    drill.shows("inventory", "list", expect="not an inventory message.*expected a field's name")
    drill.logs(consumer, "message goes to the dead-letter topic")
    drill.metric(consumer, "paysaga_inventory_messages_total", "1", outcome="skipped")
    drill.found(
        "one message is no JSON, the other has a status that opens no payment (CONSUMER_TRIGGER_STATUS)")
    drill.acts("the sender is mended and sends again; the letters are of no use")
    world.push_orders([111])
    drill.does("inventory", "discard", "--all", "--operator", "ann")
    drill.shows("trace", "111", expect="CREATED")
    drill.repaired()


def test_a_table_is_locked(make_world, make_drill: MakeDrill):
    world: World = make_world()
    server = world.server(DB_STATEMENT_TIMEOUT="5s")
    client = world.client(server)
    client.create(111)
    culprit = psycopg.connect(world.dsn, application_name="psql")
    try:
        culprit.execute("LOCK TABLE payment IN ACCESS EXCLUSIVE MODE")
        drill = make_drill("A table is locked", world, "Somebody left a transaction open over a lock; no call is answered.")
        pid = culprit.info.backend_pid
        drill.doctor(expect=rf"wait.* for a lock.*payment.*psql.*statement LOCK, pid {pid}.*pg_terminate_backend\({pid}\)")
        drill.found()
        drill.psql(f"SELECT pg_terminate_backend({pid})")
    finally:
        culprit.close()
    server.wait_ready(60)
    client.settle(111)
    drill.repaired()


def test_the_disk_is_full(make_drill: MakeDrill, directory: Path, redis_dsn: str, broker: Broker):
    disk = SmallDisk(220)
    if not disk.is_mounted:
        pytest.skip("this user may not mount")
    postgres = PostgresServer(directory, disk.path, max_wal_size="64MB", min_wal_size="32MB")
    world: World | None = None
    try:
        postgres.initialise()
        postgres.start()
        # Closed here, before its PostgreSQL goes.
        world = World(directory, postgres.databases, redis_dsn, broker).make_topics()
        server = world.server()
        client = world.client(server)
        client.create(111)
        disk.fill()
        drill = make_drill("PostgreSQL's disk is full", world, "Calls are refused; what was acknowledged is there.")
        world.push_orders([112])
        drill.doctor(expect="the server takes no writes, its disk is full")
        drill.found()
        drill.acts("free some space")
        disk.free()
        server.wait_ready(60)
        client.settle(111)
        drill.repaired()
    finally:
        disk.free()
        if world:
            world.close()
        postgres.remove()
        disk.remove()


def test_postgresql_is_frozen(make_world, make_drill: MakeDrill, own_postgres: PostgresServer):
    world: World = make_world(postgres=own_postgres)
    server = world.server(DB_STATEMENT_TIMEOUT="2s")
    client = world.client(server)
    client.create(111)
    drill = make_drill("PostgreSQL is frozen", world, "It holds its connections and says nothing.")
    own_postgres.freeze()
    try:
        drill.ready(server, '"postgres":{"ok":false')
        drill.found()
        drill.acts("let the server go on, or fail over")
    finally:
        own_postgres.thaw()
    server.wait_ready(60)
    client.settle(111)
    drill.repaired()


def test_redis_is_full(make_world, make_drill: MakeDrill, own_redis: RedisServer):
    world: World = make_world(redis=own_redis)
    world.cron()
    consumer = world.consumer()
    own_redis.client.config_set("maxmemory", "1")
    own_redis.client.config_set("maxmemory-policy", "noeviction")
    try:
        world.push_orders([111])
        drill = make_drill("Redis is full", world, "Payments are opened as before, only slower: Redis is a filter.")
        world.wait_for_payments(1)
        drill.doctor(expect="redis.*it is full and takes no writes")
        drill.ready(consumer, '"redis":{"ok":true,"detail":"Redis refuses to write keys: OOM')
        drill.found()
        drill.acts("redis-cli CONFIG SET maxmemory-policy allkeys-lru, or more memory")
    finally:
        own_redis.client.config_set("maxmemory", "0")
        own_redis.client.config_set("maxmemory-policy", "noeviction")
    orders = itertools.count(112)

    def asks_redis():
        # The consumer leaves Redis alone for a while after a refusal, and asks again with a message that comes later.
        world.push_orders([next(orders)])
        return '"redis":{"ok":true,"detail":""' in consumer.get("/readyz")[1]

    wait_until(asks_redis, "the consumer uses Redis again", timeout=50, interval=1)
    drill.ready(consumer, '"redis":{"ok":true,"detail":""')
    drill.repaired()


def test_the_consumer_is_dead(make_world, make_drill: MakeDrill):
    world: World = make_world()
    consumer = world.consumer()
    world.push_orders([111])
    world.wait_for_payments(1)
    consumer.kill()
    world.push_orders(range(112, 132))
    drill = make_drill("The consumer is dead and messages wait", world, "Orders have no payments.")
    drill.shows("lag", expect=r"topic=inventory-\w+ messages=(20|21)\b")
    drill.found()
    drill.acts("systemctl start paysaga@payments-consumer")
    consumer.start().wait_ready()
    drill.shows("lag", expect=r"topic=inventory-\w+ messages=0\b")
    drill.repaired()


def test_an_event_never_arrived(make_world, make_drill: MakeDrill):
    world: World = make_world()
    client = world.client(world.server())
    client.create(111)
    client.settle(111)
    world.wait_until_published(2)
    drill = make_drill("111's COMPLETED never arrived", world, "A consumer of the payment topic says so.")
    drill.shows("trace", "111", expect=r"type=paysaga.payment.completed(?s:.*)event published .*seq=2 .*offset=")
    drill.found()
    drill.acts("it is on the topic, at that place: the consumer lost it. Publish it again")
    drill.does("outbox", "replay", "--order", "111", "--operator", "ann")
    world.wait_until_published(2)
    drill.shows("audit", expect="agree", status=0)
    drill.repaired()
