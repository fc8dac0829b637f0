"""Tables beside other tools, and rows that no program of ours has written."""

import socket
from urllib.parse import urlsplit, urlunsplit

import grpc

from harness.audit import paysaga
from harness.rpc import COMPLETED, refused
from harness.waiting import holds_for, wait_until
from harness.world import World, inventory_message

EVENT = "INSERT INTO event (event_id, shard, key, seq, topic, payload, headers) VALUES (gen_random_uuid(), {}, {}, 1, '{}', '{{}}', {})"


def before_the_checks(world: World) -> None:
    """As if the rows that follow were there before migration 5."""
    for table, constraint in world.sql(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype = 'c' AND NOT convalidated AND coninhcount = 0"):
        world.sql(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


def test_a_row_nobody_expected_ends_nothing(world: World):
    server, consumer, cron = world.server(), world.consumer(), world.cron()
    client = world.client(server)
    for order in (1, 2, 3):
        client.create(order)
    before_the_checks(world)
    world.sql("ALTER TYPE payment_status ADD VALUE 'REFUNDED'")
    world.sql("UPDATE payment SET status = 'REFUNDED', version = 2 WHERE order_id = 2")
    for shard, key, headers in ((5, "'null'", "ARRAY['ce_id', NULL]"), (5, "'odd'", "ARRAY['ce_id']"),
                                (99, "'shard'", "'{}'"), (5, "'sound'", "'{}'")):
        world.sql(EVENT.format(shard, key, world.topic, headers))
    # The order fails, the others go on.
    for call in (client.get, client.settle, client.create, client.watch):
        error = refused(call, 2)
        assert error.code.name == "INTERNAL" and "REFUNDED" in error.message, error
    assert client.settle(1, COMPLETED).status == COMPLETED
    assert [payment.order_id for payment in client.list().payments] == [1, 3]
    # Its message is a dead letter, and the next is not.
    world.push(inventory_message(2))
    world.push(inventory_message(4))
    world.wait_for_payments(4)
    world.reader(world.dead_letters).wait_for(1)
    # The events are dead with a reason, and the others out.
    wait_until(lambda: world.count_events("DEAD") == 3, "three events are dead", 20)
    reasons = dict(world.sql("SELECT key, last_error FROM event_dead"))
    assert "NULL" in reasons["null"] and "without a value" in reasons["odd"] and "shard 99" in reasons["shard"], reasons
    wait_until(lambda: world.count_events("WAIT") == 0, "the others are published", 10)
    for program in (server, consumer, cron):
        assert program.is_running, program.output
    assert server.output.count("payment 2 of order 2") >= 1
    assert "shard 99 does not exist" in server.output + cron.output


def test_a_publication_of_all_tables_harms_nothing(world: World):
    world.sql("CREATE PUBLICATION everything FOR ALL TABLES")
    client = world.client(world.server())
    for order in range(1, 6):
        client.create(order)
        client.settle(order, COMPLETED)
    wait_until(lambda: world.count_events("DONE") == 10, "all events are done", 15)
    assert paysaga(world, "outbox", "replay", "--order", "3").status == 0
    wait_until(lambda: world.count_events("DONE") == 10 and world.count_events("WAIT") == 0, "replayed", 15)


def test_infinity_leaves_as_the_last_moment_there_is(world: World):
    server = world.server()
    client = world.client(server)
    client.create(1)
    world.sql("UPDATE payment SET expires_at = 'infinity', created_at = '-infinity' WHERE order_id = 1")
    payment = client.get(1)
    assert payment.expires_at.ToJsonString() == "9999-12-31T23:59:59.999999Z"
    assert payment.created_at.ToJsonString() == "0001-01-01T00:00:00Z"
    shown = paysaga(world, "get", "--order", "1", SERVER_GRPC_ADDR=f"127.0.0.1:{server.grpc_port}").only
    assert shown["expires_at"] == "9999-12-31T23:59:59.999999Z"


def test_a_sequence_that_is_behind_buries_no_message(world: World):
    """After a restore: openings wait, the consumer says so, and all goes on once it is mended."""
    client = world.client(world.server())
    consumer = world.consumer()
    client.create(1)
    world.sql("ALTER SEQUENCE payment_id_seq RESTART WITH 1")
    world.push(inventory_message(2))
    wait_until(lambda: "payment_id_key" in consumer.output, "the consumer tells of it", 10)
    consumer.wait_not_ready("postgres")
    letters = world.reader(world.dead_letters)
    holds_for(lambda: letters.count == 0, "nothing is a dead letter", 1)
    assert consumer.output.count("payment_id_key") <= 3
    world.sql("SELECT setval('payment_id_seq', 1000)")
    world.wait_for_payments(2)
    consumer.wait_ready()


def test_a_server_that_the_tables_refuse_is_not_ready(world: World):
    server = world.server(CRON_ENABLED="false")
    client = world.client(server)
    client.create(1)
    world.sql("ALTER TABLE payment ADD CONSTRAINT foreign_rule CHECK (order_id < 10)")
    for order in (10, 11):
        assert refused(client.create, order).code == grpc.StatusCode.UNAVAILABLE
    server.wait_not_ready("postgres")
    assert "foreign_rule" in server.readiness()[1]["checks"]["postgres"]["detail"]
    world.sql("ALTER TABLE payment DROP CONSTRAINT foreign_rule")
    wait_until(lambda: client.create(10, timeout=5).order_id == 10, "orders are taken again", 10)
    server.wait_ready(20)


def test_a_role_without_rights_is_told_what_it_lacks(world: World):
    role = f"app_{world.name}"
    world.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        parts = urlsplit(world.dsn)
        dsn = urlunsplit(parts._replace(netloc=f"{role}:secret@{parts.netloc.rpartition('@')[2]}"))
        world.sql(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {role}")
        server = world.program("payments-server", DB_DSN=dsn).start()
        assert server.wait() == 1
        assert "lacks event_id_seq (SELECT), event_relay (DELETE), event_wait (DELETE), operation_log (DELETE)" in server.output, server.output
        server.is_killed = True  # its end was wanted
        world.sql(f"GRANT DELETE ON ALL TABLES IN SCHEMA public TO {role}")
        world.sql(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
        server = world.server(DB_DSN=dsn)
        client = world.client(server)
        client.create(1)
        wait_until(lambda: "ownership of event_done" in server.output, "the care of the tables says what it lacks", 10)
        assert server.output.count("cannot make and drop the tables' days") == 1
        server.stop()
    finally:
        world.sql(f"DROP OWNED BY {role}")
        world.sql(f"DROP ROLE {role}")


def test_every_address_is_ipv6_too(world: World):
    server = world.server(ADMIN_ADDR=":0")
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, server.admin_port), 5):
            pass
