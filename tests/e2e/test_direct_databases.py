"""Gateway, processing and the saga each on a database of their own: nothing joins or refers across them."""

import uuid

import psycopg

from harness.audit import paysaga
from harness.direct import Direct, account, balance, card
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


def test_each_context_has_a_database_of_its_own(world: World, databases: Databases):
    crossing = run(
        world.dsn, "SELECT conname FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid"
        " JOIN pg_class t ON t.oid = c.confrelid WHERE c.contype = 'f' AND f.relnamespace <> t.relnamespace")
    assert crossing == []
    places = {"saga": world.dsn, "gateway": databases.create(), "processing": databases.create()}
    try:
        for context, dsn in places.items():
            for schema in set().union(*SCHEMAS.values()) - SCHEMAS[context]:
                run(dsn, f"DROP SCHEMA {schema} CASCADE")
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
    finally:
        for program in world.programs:
            program.stop()
        for context in ("gateway", "processing"):
            databases.drop(places[context])
