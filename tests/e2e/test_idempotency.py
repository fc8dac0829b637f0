"""`idempotency-key` of CreatePayment: one effect and one answer a key, whatever else happens."""

import itertools
import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import grpc
import pytest

from harness import oracle
from harness.forwarder import Forwarder
from harness.rpc import COMPLETED, TIMEOUT, Client, payments, refused
from harness.servers import PostgresServer, RedisServer
from harness.waiting import wait_until
from harness.world import World

Code = grpc.StatusCode
NEXT_ORDER = itertools.count(1000)
REPLAYS = "paysaga_idempotency_replays_total"


def create(client: Client, order: int, key: str | bytes, amount: int = 0, **options):
    """The answer, and whether the trailers call it a replay."""
    request = payments.CreatePaymentRequest(
        order_id=order, amount_minor=amount, currency="EUR" if amount else "")
    answer, call = client.payments.CreatePayment.with_call(
        request, metadata=(("idempotency-key", key),), **{"timeout": TIMEOUT} | options)
    marks = [value for name, value in call.trailing_metadata() if name == "idempotency-replayed"]
    assert marks in ([], ["true"])
    return answer, bool(marks)


@pytest.fixture(scope="module")
def client(shared_world: World) -> Client:
    return shared_world.client(shared_world.server(REDIS_DSN=""))


@pytest.fixture
def order() -> int:
    return next(NEXT_ORDER)


def test_the_same_call_gets_the_same_answer_marked_as_a_replay(shared_world: World, client: Client, order: int):
    first, replayed = create(client, order, f"key-{order}", 1299)
    assert not replayed and first.version == 1
    client.settle(order, COMPLETED, "paid")
    for _ in range(2):
        assert create(client, order, f"key-{order}", 1299) == (first, True)
    assert client.get(order).version == 2
    # Without the key, or under another, the payment is answered as it is.
    assert client.create(order, 1299, "EUR").version == 2
    again, replayed = create(client, order, f"other-{order}", 1299)
    assert again.version == 2 and not replayed
    assert [row[0] for row in shared_world.sql("SELECT seq FROM event WHERE key = %s ORDER BY seq", str(order))] == [1, 2]


def test_another_request_under_the_key_is_refused(client: Client, order: int):
    create(client, order, f"key-{order}", 100)
    for other_order, amount in ((order, 101), (next(NEXT_ORDER), 100)):
        refusal = refused(create, client, other_order, f"key-{order}", amount)
        assert refusal.code == Code.FAILED_PRECONDITION
        assert (refusal.info.reason, refusal.info.domain) == ("IDEMPOTENCY_KEY_REUSED", "payments.paysaga")
        assert f"key-{order}" not in refusal.message


def test_a_refused_call_leaves_its_key_free(client: Client, order: int):
    client.create(order, 100, "EUR")
    for _ in range(2):
        assert refused(create, client, order, f"key-{order}", 200).code == Code.ALREADY_EXISTS
    free = next(NEXT_ORDER)
    assert create(client, free, f"key-{order}", 200)[1] is False


@pytest.mark.parametrize("keys", [[""], ["x" * 256], ["a b"], ["one", "two"], ["one", "one"]])
def test_a_wrong_key_is_invalid(client: Client, order: int, keys: list[str]):
    request = payments.CreatePaymentRequest(order_id=order)
    refusal = refused(
        client.payments.CreatePayment, request, metadata=[("idempotency-key", key) for key in keys], timeout=TIMEOUT)
    assert refusal.code == Code.INVALID_ARGUMENT and refusal.fields == ["idempotency-key"]
    assert refused(client.get, order).code == Code.NOT_FOUND


def test_the_longest_key_and_every_character(client: Client, order: int):
    key = "".join(chr(code) for code in range(0x21, 0x7F)).ljust(255, "x")
    first, _ = create(client, order, key)
    assert create(client, order, key) == (first, True)


def test_many_callers_with_one_key_have_one_effect(shared_world: World, client: Client, order: int):
    request = payments.CreatePaymentRequest(order_id=order)
    calls = [
        client.payments.CreatePayment.future(request, metadata=(("idempotency-key", f"key-{order}"),), timeout=TIMEOUT)
        for _ in range(50)
    ]
    answers = []
    for call in calls:
        if call.exception() is None:
            answers.append(call.result())
        else:
            assert call.code() == Code.ABORTED
    assert answers and all(answer == answers[0] for answer in answers)
    assert shared_world.value("SELECT count(*) FROM idempotency_key WHERE answer->>'order_id' = %s", str(order)) == 1


def test_a_key_in_flight_at_another_server_is_aborted(make_world):
    world: World = make_world(redis=None)
    target = urlsplit(world.dsn)
    network = Forwarder(target.hostname, target.port)
    try:
        far = world.server(
            DB_DSN=target._replace(netloc=f"{target.username}:{target.password}@127.0.0.1:{network.port}").geturl(),
            DB_DIRECT_DSN=world.dsn, CRON_ENABLED="false")
        near = world.server(REDIS_DSN="")
        far_client, near_client = world.client(far), world.client(near)
        create(near_client, 1, "first")  # the day's table is there from here on
        # The far server's database carries its statements out and does not get through with the answers.
        network.hold_answers()
        answers = []
        caller = threading.Thread(target=lambda: answers.append(create(far_client, 2, "shared", 500, timeout=30)))
        caller.start()
        held = ("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
        wait_until(lambda: world.value(held) == 1, "the key is locked")
        for amount in (500, 501):
            refusal = refused(create, near_client, 2, "shared", amount)
            assert refusal.code == Code.ABORTED and refusal.info.reason == "IDEMPOTENCY_KEY_IN_FLIGHT"
            assert 0 < refusal.retry_after <= 1
        assert create(near_client, 3, "another")[1] is False
        network.pass_answers()
        caller.join(30)
        (first, replayed), = answers
        assert not replayed
        assert create(near_client, 2, "shared", 500) == (first, True)
        assert refused(create, near_client, 2, "shared", 501).code == Code.FAILED_PRECONDITION
        assert oracle.check(world).payments == 3
    finally:
        network.close()


def test_redis_answers_replays_and_nothing_depends_on_it(make_world, own_redis: RedisServer):
    world: World = make_world(redis=own_redis)
    server = world.server()
    client = world.client(server)

    def redis_says(detail: str):
        wait_until(lambda: server.readiness()[1]["checks"]["redis"]["detail"] == detail, f"redis is {detail!r}")

    redis_says("")
    first, _ = create(client, 1, "secret-key", 100)
    wait_until(lambda: own_redis.client.dbsize() > 0, "the answer is noted")
    name, = own_redis.client.keys(f"payments:{{{world.group}}}:*")
    assert 86_000 < own_redis.client.ttl(name) <= 86_400
    assert create(client, 1, "secret-key", 100) == (first, True)
    assert server.metric(REPLAYS, **{"from": "redis"}) == 1 and server.metric(REPLAYS, **{"from": "postgres"}) == 0
    # Another request is the database's to refuse.
    assert refused(create, client, 1, "secret-key", 101).code == Code.FAILED_PRECONDITION

    own_redis.client.flushall()
    assert create(client, 1, "secret-key", 100) == (first, True)
    assert server.metric(REPLAYS, **{"from": "postgres"}) == 1

    # Full: nothing more is noted.
    own_redis.client.config_set("maxmemory", "1")
    try:
        second, _ = create(client, 2, "while-full")
        assert create(client, 2, "while-full") == (second, True)
    finally:
        own_redis.client.config_set("maxmemory", "0")
    wait_until(lambda: redis_says("") is None, "redis is asked again")

    # Silent: callers wait for it once, and shortly.
    own_redis.client.execute_command("CLIENT", "PAUSE", "3000", "ALL")
    third, _ = create(client, 3, "while-slow", timeout=2)
    assert create(client, 3, "while-slow", timeout=2) == (third, True)

    own_redis.kill()
    try:
        assert create(client, 1, "secret-key", 100) == (first, True)
        fourth, _ = create(client, 4, "while-down")
        wait_until(
            lambda: server.readiness()[1]["checks"]["redis"]["detail"].endswith("; the database decides alone"),
            "Redis is named")
        assert create(client, 4, "while-down") == (fourth, True)
        assert server.readiness()[0] == 200
    finally:
        own_redis.start()
    redis_says("")
    assert create(client, 4, "while-down") == (fourth, True)
    assert oracle.check(world).payments == 4
    for key in ("secret-key", "while-slow"):
        assert key not in server.output, "a key is in the log"


def test_postgres_crashes_under_calls_with_keys(make_world, own_postgres: PostgresServer):
    """Whatever the callers were told, making the calls again gives each one answer, the one it had if it had any."""
    world: World = make_world(postgres=own_postgres)
    client = world.client(world.server(REDIS_DSN=""))
    create(client, 1, "key-1")
    orders = range(2, 302)
    calls = {}
    for order in orders:
        calls[order] = client.payments.CreatePayment.future(
            payments.CreatePaymentRequest(order_id=order), metadata=(("idempotency-key", f"key-{order}"),), timeout=20)
        if order == 150:
            own_postgres.crash()
            own_postgres.start()
    told = {order: call.result() for order, call in calls.items() if call.exception() is None}
    assert {call.code() for call in calls.values()} <= {Code.OK, Code.UNAVAILABLE, Code.ABORTED}
    for order in orders:
        answer, replayed = create(client, order, f"key-{order}", timeout=20)
        assert order not in told or (answer, replayed) == (told[order], True)
        assert create(client, order, f"key-{order}") == (answer, True)
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    assert (verdict.payments, verdict.events) == (301, 301)


def test_a_key_is_free_again_after_a_day_and_its_day_is_dropped(world: World):
    client = world.client(world.server(REDIS_DSN=""))
    first, _ = create(client, 1, "daily")
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    for back in (1, 2):
        start, end = today - timedelta(days=back), today - timedelta(days=back - 1)
        world.sql(
            f"CREATE TABLE idempotency_key_{start:%Y%m%d} PARTITION OF idempotency_key"
            f" FOR VALUES FROM ('{start:%Y-%m-%d}T00:00:00Z') TO ('{end:%Y-%m-%d}T00:00:00Z')")
    world.sql("UPDATE idempotency_key SET used_at = used_at - interval '23 hours 59 minutes'")
    assert create(client, 1, "daily") == (first, True)
    assert refused(create, client, 2, "daily").code == Code.FAILED_PRECONDITION
    world.sql("UPDATE idempotency_key SET used_at = used_at - interval '1 minute'")
    second, replayed = create(client, 2, "daily")
    assert second.order_id == 2 and not replayed
    assert create(client, 2, "daily") == (second, True)
    # Whoever starts next takes care of the tables at once: the day before yesterday goes.
    old = f"idempotency_key_{today - timedelta(days=2):%Y%m%d}"
    world.programs[0].stop()
    world.cron()
    wait_until(lambda: world.value("SELECT to_regclass(%s)", old) is None, f"{old} is dropped", 20)
    assert world.value("SELECT to_regclass(%s)", f"idempotency_key_{today - timedelta(days=1):%Y%m%d}") is not None
