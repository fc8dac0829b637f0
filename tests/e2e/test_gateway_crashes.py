"""A gateway that dies in the middle of card payments, a database and a broker that are away, and TLS."""

import http.client
import json
import signal
import socket
import ssl
import threading
import time
import uuid

from harness.certificates import Authority
from harness.direct import FINAL, Answer, Direct, Gateway, account, new_card
from harness.process import free_port
from harness.servers import DevKafka, PostgresServer
from harness.waiting import wait_until
from harness.world import World


def test_a_gateway_dies_in_the_middle_of_card_payments(world: World):
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway()
    direct.bank.behave(delay_ms=[50, 600])
    keys = [str(uuid.uuid4()) for _ in range(60)]
    bodies = {
        key: {"user_id": str(uuid.uuid4()), "method": new_card(), "amount": 1999, "currency": "EUR"} for key in keys}
    answers: dict[str, Answer] = {}

    def pay(key: str) -> None:
        try:
            answers[key] = gateway.post("/v1/payments", bodies[key], key)
        except OSError:
            pass  # it died first

    threads = [threading.Thread(target=pay, args=(key,)) for key in keys]
    for thread in threads[:45]:
        thread.start()
    wait_until(lambda: len(direct.bank.operations()) >= 10, "some cards are at the bank")
    gateway.program.kill()
    for thread in threads[45:]:
        thread.start()
    for thread in threads:
        thread.join(30)
    gateway.program.start().wait_ready()
    known = {}
    for key in keys:
        # The same key tells whether it was taken in; otherwise it is now.
        again = gateway.post("/v1/payments", bodies[key], key)
        assert again.status == 201, again
        before = answers.get(key)
        if before is not None and before.status == 201:
            assert again.body == before.body and again.headers["idempotency-replayed"] == "true"
        known[key] = again.json["id"]
    assert len(set(known.values())) == len(keys)

    def ended() -> bool:
        direct.hurry()
        left = [id for id in known.values() if gateway.payment(id)["status"] not in FINAL]
        assert not left, left
        return True

    wait_until(ended, "every payment ends", 60, interval=0.5)
    for id in known.values():
        payment = gateway.payment(id)
        charges = direct.bank.counts(id)[1]
        assert charges == (1 if payment["status"] == "COMPLETED" else 0), (payment, charges)
        if payment["status"] == "ERROR":
            assert payment["reason"] in ("card_data_lost", "bank_never_charged"), payment
    assert world.sql("SELECT payment_id FROM gateway.card_waiting") == []


def test_a_database_that_is_away_is_said_and_nothing_is_half_done(make_world, own_postgres: PostgresServer):
    world = make_world(postgres=own_postgres)
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway(GATEWAY_STATEMENT_TIMEOUT="1s")
    assert gateway.paid(new_card())["status"] == "COMPLETED"
    own_postgres.crash()
    keys = [str(uuid.uuid4()) for _ in range(3)]
    for key in keys:
        refused = gateway.pay(account(), key=key, user_id=str(uuid.UUID(int=7)))
        assert refused.status == 503 and refused.headers["retry-after"], refused
        assert refused.json["code"] in ("database_unavailable", "outcome_unknown")
    assert gateway.get(f"/v1/payments/{uuid.uuid4()}?wait=1s").status == 503
    gateway.program.wait_not_ready("postgres")
    own_postgres.start()
    gateway.program.wait_ready()
    made = [gateway.pay(account(), key=key, user_id=str(uuid.UUID(int=7)), wait="20s") for key in keys]
    assert [(answer.status, answer.json["status"]) for answer in made] == [(201, "COMPLETED")] * 3
    assert world.value("SELECT count(*) FROM gateway.payment") == 4
    assert world.value("SELECT count(*) FROM gateway.idempotency_key") == 4


def test_payments_are_taken_in_while_the_broker_is_away(make_world, own_kafka: DevKafka):
    world = make_world(kafka=own_kafka)
    direct = Direct(world)
    direct.processor()
    own_kafka.down()
    try:
        # It starts without the broker, and says which of its dependencies is away.
        gateway = Gateway(world.program("payments-gateway", **direct.settings).start())
        wait_until(lambda: gateway.program.get("/readyz/api")[0] == 200, "calls are answered")
        assert gateway.program.readiness()[1]["checks"]["kafka"]["ok"] is False
        made = [gateway.pay(account()), gateway.pay(new_card())]
        assert [answer.status for answer in made] == [201, 201]
        # The card is charged, and its result waits for the broker.
        wait_until(lambda: direct.bank.counts(made[1].json["id"]) == (1, 1), "the card is charged")
        # Longer than CARD_CLAIM_TIMEOUT: it was claimed, so that nobody ends it.
        wait_until(lambda: world.sql("SELECT 1 FROM gateway.card_waiting") == [], "the card counts as claimed", 20)
        for schema in ("gateway", "processing"):
            waiting = world.sql(f"SELECT count(*), sum(attempts) FROM {schema}.event WHERE status = 'WAIT'")
            assert waiting[0][0] > 0 and waiting[0][1] == 0, f"{schema}: the outage has spent attempts: {waiting}"
    finally:
        own_kafka.up()
    for answer in made:
        assert gateway.payment(answer.json["id"], wait="40s")["status"] == "COMPLETED"
        assert direct.bank.counts(answer.json["id"]) == (1, 1)
    gateway.program.wait_ready()


def shown_certificate(port: int, context: ssl.SSLContext) -> bytes:
    """What a new connection is shown, verified."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
            return wrapped.getpeercert(binary_form=True)


def test_it_serves_TLS_and_takes_new_certificates(world: World):
    authority = Authority(world.directory, "authority")
    identity = authority.server()
    surface = free_port()
    gateway = Direct(world).gateway(
        GATEWAY_TLS_CERT=str(identity.certificate), GATEWAY_TLS_KEY=str(identity.key),
        GATEWAY_CARDS_ADDR=f"127.0.0.1:{surface}")
    program = gateway.program
    context = ssl.create_default_context(cafile=str(authority.file))
    connection = http.client.HTTPSConnection("127.0.0.1", program.http_port, timeout=10, context=context)

    def ask() -> None:
        # A connection that was ended meanwhile would be made anew, with another socket.
        connection.request("GET", "/v1/payments")
        assert json.loads(connection.getresponse().read()) == {"data": [], "has_more": False, "next": None}

    ask()
    first, own = shown_certificate(program.http_port, context), connection.sock
    assert program.metric("paysaga_http_server_tls_certificate_end_seconds", surface="cards") > time.time()

    stranger = authority.server("stranger")
    identity.key.write_bytes(stranger.key.read_bytes())
    program.send(signal.SIGHUP)
    program.wait_for_output(r"SIGHUP: TLS goes on with the files read before.*GATEWAY_TLS_KEY=.*private key in PEM")
    assert shown_certificate(program.http_port, context) == first

    identity.replace(stranger)
    program.send(signal.SIGHUP)
    program.wait_for_output(r"SIGHUP: the files of TLS were read again")
    second = shown_certificate(program.http_port, context)
    assert second != first and shown_certificate(surface, context) == second
    ask()
    assert connection.sock is own

    # Without a signal, as when a secret that is mounted changes; an expired one makes the gateway not ready.
    identity.replace(authority.ended())
    program.wait_for_output(r"the files changed: the files of TLS were read again", 30)
    wait_until(lambda: program.get("/readyz/api")[0] == 503, "the certificate's end counts")
    assert "ended" in program.readiness()[1]["checks"]["certificate"]["detail"]
    ask()
    assert connection.sock is own
    connection.close()
