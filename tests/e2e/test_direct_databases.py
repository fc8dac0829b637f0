"""Gateway, processing and the saga each on a database of their own: nothing joins or refers across them."""

import json
import uuid
from contextlib import contextmanager
from typing import Iterator
from urllib.parse import urlsplit

import psycopg

from harness.audit import paysaga
from harness.direct import Direct, account, balance, card
from harness.forwarder import Forwarder
from harness.receiver import Receiver, add_endpoint
from harness.servers import Databases
from harness.waiting import wait_until
from harness.world import World

# Processing, risk and ledger share transactions, and so a database.
SCHEMAS = {"saga": {"public"}, "gateway": {"gateway"}, "processing": {"processing", "ledger", "risk"}}


def run(dsn: str, *statements: str) -> list[tuple]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def apart(world: World, databases: Databases) -> Iterator[dict[str, str]]:
    """A database for each context, with its schemas alone."""
    places = {"saga": world.dsn, "gateway": databases.create(), "processing": databases.create()}
    try:
        for context, dsn in places.items():
            for schema in set().union(*SCHEMAS.values()) - SCHEMAS[context]:
                run(dsn, f"DROP SCHEMA {schema} CASCADE")
        yield places
    finally:
        for program in world.programs:
            program.stop()
        for context in ("gateway", "processing"):
            databases.drop(places[context])


def test_each_context_has_a_database_of_its_own(world: World, databases: Databases):
    crossing = run(
        world.dsn, "SELECT conname FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid"
        " JOIN pg_class t ON t.oid = c.confrelid WHERE c.contype = 'f' AND f.relnamespace <> t.relnamespace")
    assert crossing == []
    with apart(world, databases) as places:
        server = world.server()
        client = world.client(server)
        client.create(7, amount_minor=1999, currency="EUR")
        direct = Direct(world, GATEWAY_DSN=places["gateway"], PROCESSING_DSN=places["processing"],
                        SAGA_GRPC_ADDR=f"127.0.0.1:{server.grpc_port}")
        direct.processor()
        gateway = direct.gateway()
        user = str(uuid.uuid4())
        own = gateway.open_account(user, 5_000)
        paid = [gateway.paid(card()), gateway.paid(account(), order_id=7), gateway.paid(balance(own), user_id=user)]
        assert [each["status"] for each in paid] == ["COMPLETED"] * 3, paid

        def agrees() -> bool:
            assert client.get(7).reason == f"direct:{paid[1]['id']}"
            answer = paysaga(world, "audit", "--part", "direct", **direct.settings)
            assert answer.status == 0 and answer.lines[0]["payments"] == 3, answer
            return True

        wait_until(agrees, "the order is settled, and the books agree over three databases")


def test_webhooks_go_on_while_processings_database_is_away(world: World, databases: Databases):
    with apart(world, databases) as places, Receiver() as receiver:
        target = urlsplit(places["processing"])
        road = Forwarder(target.hostname, target.port)
        there = target._replace(netloc=target.netloc.replace(f":{target.port}", f":{road.port}")).geturl()
        direct = Direct(world, GATEWAY_DSN=places["gateway"], PROCESSING_DSN=there)
        direct.processor()
        gateway = direct.gateway()
        endpoint = add_endpoint(gateway, receiver.url("/hook"), "*")["id"]

        def told(payment: str, type: str) -> list[str]:
            """The ids of the messages about it."""
            contents = [(each.id, json.loads(each.body)) for each in receiver.messages("/hook")]
            return [id for id, content in contents if content["type"] == type
                    and payment in (content["data"]["id"], content["data"].get("payment_id"))]

        paid = gateway.paid(account())["id"]
        assert gateway.refund(paid, 500).json["status"] == "COMPLETED"
        [sent] = wait_until(lambda: told(paid, "payment.completed"), "the payment is told")
        [refund] = wait_until(lambda: told(paid, "refund.completed"), "the refund is told")
        road.cut()
        # What is told of a payment needs the gateway's database only: new ones and what is asked for again.
        late = gateway.pay(account()).json["id"]
        wait_until(lambda: told(late, "payment.created"), "a new payment is told", 20)
        for delivery in (refund, sent):
            assert gateway.post(f"/v1/webhook_deliveries/{delivery}/redeliver").status == 202
        wait_until(lambda: told(paid, "payment.completed") == [sent, sent], "the payment is told again", 20)
        # A refund waits; that is no attempt, and no fault of the receiver.
        waits = gateway.get(f"/v1/webhook_deliveries/{refund}").json
        assert (waits["status"], waits["attempts"]) == ("pending", 1), waits
        assert told(paid, "refund.completed") == [refund]
        shown = gateway.get(f"/v1/webhook_endpoints/{endpoint}").json
        assert (shown["enabled"], shown["failing_since"]) == (True, None)
        road.mend()
        wait_until(lambda: told(paid, "refund.completed") == [refund, refund], "the refund is told again", 30)
        wait_until(lambda: told(late, "payment.completed"), "the payment of between is told to its end", 60)
        road.close()
