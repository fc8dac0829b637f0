"""The made-up context of docs/adding-a-context.md: it runs beside the saga in one database, with tables, migrations and
an outbox of its own."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from harness.process import ROOT, Program
from harness.waiting import wait_until
from harness.world import World

EXAMPLE = Path(ROOT, "tests/context-example")
PAGE = Path(ROOT, "docs/adding-a-context.md")


@pytest.fixture
def shipping(world: World) -> Program:
    """The example, migrated and not yet started."""
    topics = {"SHIPPING_PAYMENT_TOPIC": world.topic, "SHIPPING_TOPIC": f"shipment-{world.name}"}
    made = world.program("context-example", SHIPPING_DB_DSN=world.dsn, SHIPPING_GROUP=f"shipping-{world.name}", **topics)
    migrate(made, "up")
    return made


def migrate(shipping: Program, *words: str) -> str:
    done = subprocess.run(
        [*shipping.command, "migrate", *words], env=shipping.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_document_holds_the_example():
    sources = [file.read_text() for file in sorted(EXAMPLE.rglob("*.swift")) + sorted(EXAMPLE.rglob("*.sql"))]
    blocks = re.findall(r"```(?:swift|sql)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks and not [block for block in blocks if not any(block in source for source in sources)]


def test_the_document_lists_the_settings(shipping: Program):
    usage = subprocess.run([*shipping.command, "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    names = re.findall(r"^  ([A-Z_]+)$", usage, re.MULTILINE)
    assert "SHIPPING_DB_DSN" in names and "ADMIN_ADDR" in names
    assert re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(), re.MULTILINE) == names


def test_a_second_context_lives_beside_the_saga(world: World, shipping: Program):
    """Both programs read one environment; each refuses nothing of the other's."""
    server = world.server()
    client = world.client(server)
    shipments = f"shipment-{world.name}"
    world.broker.create_topic(f"{world.topic}.shipping.dlq", world.partitions)
    world.broker.create_topic(shipments, world.partitions)
    shipping.start().wait_ready()

    # A payment that the saga settles becomes a shipment, with an event on the context's own topic.
    client.create(order_id=111)
    client.settle(order_id=111)
    events = world.reader(shipments).wait_for(1, 30)
    assert [(each.key, json.loads(each.value), each.header("seq"), each.header("ce_type")) for each in events] == [
        (b"111", {"order_id": 111, "status": "OPENED"}, "1", "shipping.shipment.opened")]
    assert world.sql("SELECT order_id FROM shipping.shipment") == [(111,)]

    # Each outbox has its own events only, and both are drained.
    wait_until(lambda: world.value("SELECT count(*) FROM shipping.event WHERE status = 'DONE'") == 1, "DONE")
    world.wait_until_published(2)
    assert world.sql("SELECT DISTINCT topic FROM event") == [(world.topic,)]
    assert world.sql("SELECT DISTINCT topic FROM shipping.event") == [(shipments,)]
    assert shipping.metric("paysaga_shipping_messages_total", outcome="opened") == 1
    assert shipping.metric("paysaga_shipping_messages_total", outcome="ignored") == 1
    assert shipping.stop() == 0
    # The leases of each outbox belong to its own relays.
    assert world.value("SELECT count(*) FROM shipping.event_shard WHERE owner IS NOT NULL") == 0


def test_its_migrations_go_and_come_back_apart_from_the_sagas(world: World, shipping: Program):
    payments = world.value("SELECT count(*) FROM payment")
    steps = len([*EXAMPLE.glob("migrations/*.up.sql"), *Path(ROOT, "migrations/outbox").glob("*.up.sql")])
    assert "version=none" in migrate(shipping, "down", str(steps))
    assert world.value("SELECT to_regclass('shipping.shipment') IS NULL")
    assert world.value("SELECT count(*) FROM payment") == payments
    migrate(shipping, "up")
    assert world.value("SELECT count(*) FROM shipping.shipment") == 0
