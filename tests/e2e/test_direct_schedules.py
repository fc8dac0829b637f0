"""Schedules of direct payments that must come out one way: two callers, two processes, the bank and the clock meet at the
worst moment, each time.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor

from harness import direct_oracle
from harness.audit import paysaga
from harness.direct import Direct, account, new_card
from harness.forwarder import Forwarder
from harness.rpc import FAILED
from harness.waiting import wait_until
from harness.world import World


def test_two_gateways_with_one_key_make_one_payment(world: World):
    direct = Direct(world)
    direct.processor()
    gateways = direct.gateway(), direct.gateway()
    direct.bank.behave(idempotent=False, delay_ms=[0, 100])
    made: set[str] = set()
    with ThreadPoolExecutor(8) as pool:
        for method in [new_card(), account()] * 6:
            key = str(uuid.uuid4())
            body = {"user_id": str(uuid.uuid4()), "method": method, "amount": 1999, "currency": "EUR"}
            answers = list(pool.map(lambda n: gateways[n % 2].post("/v1/payments", body, key), range(8)))
            taken = [answer for answer in answers if answer.status == 201]
            assert len({answer.body for answer in taken}) == 1, answers
            for answer in answers:
                assert answer.status == 201 or answer.problem[:2] == (409, "idempotency_key_in_flight"), answer
            assert sum("idempotency-replayed" not in answer.headers for answer in taken) <= 1
            # Whoever asks the other one for something else gets nothing.
            for gateway in gateways:
                other = gateway.post("/v1/payments", body | {"amount": 2000}, key)
                assert other.problem == (422, "idempotency_key_reused", "Idempotency-Key")
            made.add(taken[0].json["id"])
    for id in made:
        assert gateways[0].payment(id, wait="20s")["status"] == "COMPLETED"
        assert direct.bank.counts(id) == (1, 1)
    assert len(made) == 12 and world.value("SELECT count(*) FROM gateway.payment") == 12
    direct_oracle.settle(direct)
    direct_oracle.check(direct, made)


def test_the_other_gateway_answers_for_one_that_died(world: World):
    direct = Direct(world, **world.broker.quick_groups)
    direct.processor()
    first, second = direct.gateway(), direct.gateway()
    direct.bank.behave(idempotent=False, delay_ms=2_000)
    key = str(uuid.uuid4())
    body = {"user_id": str(uuid.uuid4()), "method": new_card(), "amount": 1999, "currency": "EUR"}
    made = first.post("/v1/payments", body, key)
    wait_until(lambda: direct.bank.operations().get(made.json["id"]), "the bank is asked")
    first.program.kill()
    again = second.post("/v1/payments", body, key)
    assert (again.status, again.body) == (201, made.body) and again.headers["idempotency-replayed"] == "true"
    # The second one has no part in the card; the charge is asked about, and not made again.
    second.await_status(made.json["id"], "UNKNOWN", "COMPLETED")
    direct_oracle.settle(direct)
    assert direct_oracle.check(direct, {made.json["id"]}).states == {"COMPLETED": 1}


def test_a_charge_that_arrives_after_its_reversal_is_refused(world: World):
    """A process dies, its request travels on: the bank knows nothing of it past the horizon, and has it reversed."""
    direct = Direct(world)
    road = Forwarder("127.0.0.1", direct.bank.program.http_port)
    try:
        first = direct.processor(BANK_URL=f"http://127.0.0.1:{road.port}")
        gateway = direct.gateway()
        road.hold_requests()
        payment = gateway.paid(account(), wait="0s")["id"]
        wait_until(
            lambda: world.sql("SELECT 1 FROM processing.payment WHERE stage = 'asked' AND id = %s", payment),
            "the bank is asked")
        wait_until(lambda: road.is_holding, "the request is on its way")
        first.kill()
        direct.processor()
        direct_oracle.settle(direct)
        reversed_ = gateway.payment(payment)
        assert (reversed_["status"], reversed_["reason"]) == ("ERROR", "bank_never_charged"), reversed_
        assert direct.bank.counts(payment) == (0, 0)
        road.pass_requests()
        wait_until(lambda: direct.bank.counts(payment)[0] == 1, "the request arrives")
        assert direct.bank.operations()[payment]["status"] == "reversed"
        direct_oracle.check(direct, {payment})
    finally:
        road.close()


def test_an_order_that_expires_while_its_payment_is_unknown_is_dead(world: World):
    server = world.server()
    client = world.client(server)
    client.create(7, amount_minor=1999, currency="EUR")
    direct = Direct(world, SAGA_GRPC_ADDR=f"127.0.0.1:{server.grpc_port}", ORDER_DEAD="hold")
    direct.processor()
    gateway = direct.gateway()
    # The bank charges, and its answer is lost; so are those to the first questions.
    direct.bank.behave(script=["hang_done", *["error_500"] * 20])
    payment = gateway.pay(account(), order_id=7).json["id"]
    gateway.await_status(payment, "UNKNOWN")
    world.cron()
    world.sql("UPDATE payment SET expires_at = now() - interval '1 second' WHERE order_id = 7")
    wait_until(lambda: client.get(7).status == FAILED, "the order expires")
    # It is not free for another payment: nobody knows yet.
    assert gateway.pay(new_card(), order_id=7).problem[1] in ("order_not_payable", "order_payment_exists")
    assert gateway.payment(payment)["status"] == "UNKNOWN"
    direct.bank.behave(script=[])

    def completed() -> bool:
        direct.hurry()
        return gateway.payment(payment)["status"] == "COMPLETED"

    wait_until(completed, "the bank's word completes it", interval=0.2)
    assert direct.bank.counts(payment) == (1, 1)

    def told() -> bool:
        waiting = paysaga(world, "exceptions", **direct.settings).only
        assert (waiting["payment_id"], waiting["kind"], waiting["order_id"]) == (payment, "order_dead", 7), waiting
        return True

    wait_until(told, "a person is told that the order is dead")
    assert client.get(7).status == FAILED
