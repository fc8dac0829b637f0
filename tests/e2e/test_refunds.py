"""Money of direct payments that goes back, for callers and by itself."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from harness import direct_oracle
from harness.audit import paysaga
from harness.direct import ACCOUNT, MERCHANT, Direct, account, balance, new_card
from harness.rpc import COMPLETED
from harness.waiting import wait_until
from harness.world import World


def test_a_payment_goes_back_in_parts(world: World):
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway()
    paid = gateway.paid(new_card())
    first = gateway.refund(paid["id"], 500, key="part-1")
    assert (first.status, first.json["status"], first.json["amount"]) == (201, "COMPLETED", 500), first
    assert direct.bank.counts(first.json["id"]) == (1, 1)
    assert direct.bank.operations()[first.json["id"]]["refund_of"] == paid["id"]
    # The same call has one effect; without waiting it has one answer, too.
    again = [gateway.refund(paid["id"], 500, key="part-1", wait="0s") for _ in range(2)]
    assert again[0].body == again[1].body and again[0].json["status"] == "PROCESSING"
    assert again[0].headers["idempotency-replayed"] == "true" and again[0].json["id"] == first.json["id"]
    assert gateway.refund(paid["id"], 501, key="part-1").problem[:2] == (422, "idempotency_key_reused")
    assert gateway.refund(paid["id"], 1500).problem == (409, "refund_exceeds_payment", "amount")
    rest = gateway.refund(paid["id"])
    assert (rest.json["status"], rest.json["amount"]) == ("COMPLETED", 1499)
    assert gateway.refund(paid["id"]).problem[1] == "refund_exceeds_payment"
    assert [(each["amount"], each["status"]) for each in gateway.refunds(paid["id"])] == [
        (500, "COMPLETED"), (1499, "COMPLETED")]
    # What was never paid does not go back, and neither does a refund.
    rejected = gateway.paid(account("10000000002"))
    assert gateway.refund(rejected["id"]).problem[:2] == (409, "not_refundable")
    assert gateway.refund(rest.json["id"]).problem[:2] == (409, "not_refundable")
    assert gateway.refund(str(uuid.uuid4())).problem[:2] == (404, "payment_not_found")
    shown = paysaga(world, "payments", "refunds", paid["id"], **direct.settings).lines
    assert [(each["amount_minor"], each["cause"]) for each in shown] == [(500, "caller"), (1499, "caller")]
    direct_oracle.settle(direct)
    direct_oracle.check(direct, {paid["id"], rejected["id"]})


def test_many_refunds_at_once_are_not_more_than_was_paid(world: World):
    direct = Direct(world)
    direct.processor()
    gateways = [direct.gateway(), direct.gateway()]
    paid = gateways[0].paid(account())
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(lambda number: gateways[number % 2].refund(paid["id"], 300), range(24)))
    done = [each for each in answers if each.status == 201]
    assert len(done) == 6, answers
    assert {each.problem[:2] for each in answers if each.status != 201} == {(409, "refund_exceeds_payment")}
    assert all(each.json["status"] == "COMPLETED" for each in done)
    direct_oracle.settle(direct)
    direct_oracle.check(direct, {paid["id"]})


def test_a_balance_goes_back_while_the_payee_has_it(world: World):
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway()
    user = str(uuid.uuid4())
    payer = gateway.open_account(user, 3_000)
    paid = gateway.paid(balance(payer), amount=2_000, user_id=user)
    refund = gateway.refund(paid["id"], 1_500, wait="0s")
    assert refund.json["status"] == "COMPLETED"
    assert gateway.get(f"/v1/accounts/{payer}").json["available"] == 2_500
    [shop] = gateway.get(f"/v1/accounts?user_id={MERCHANT}").json["data"]
    spent = gateway.post(f"/v1/accounts/{shop['id']}/spends", {"amount": 100, "currency": "EUR"}, key="spend")
    assert spent.status == 201
    assert gateway.refund(paid["id"]).problem == (409, "insufficient_funds", "amount")
    assert len(gateway.refunds(paid["id"])) == 1
    assert direct.bank.operations() == {}
    answer = paysaga(world, "payments", "refund", paid["id"], "--amount-minor", "400", "--key", "cli",
                     "--gateway", f"http://127.0.0.1:{gateway.program.http_port}", **direct.settings)
    assert (answer.status, answer.only["refund"]["status"]) == (0, "COMPLETED"), answer
    direct_oracle.check(direct, {paid["id"]})


def test_a_refund_is_made_once_whatever_becomes_of_the_answer(world: World):
    direct = Direct(world)
    processor = direct.processor()
    gateway = direct.gateway()
    lost, killed = (gateway.paid(account()) for _ in range(2))
    direct.bank.behave(idempotent=False, script=["lost_answer"])
    answer = gateway.refund(lost["id"], wait="0s")
    gateway.await_refund(lost["id"], "UNKNOWN", "COMPLETED")
    wait_until(lambda: direct.hurry() or gateway.await_refund(lost["id"], "COMPLETED", timeout=1), "the bank tells", 30)
    assert direct.bank.counts(answer.json["id"]) == (1, 1)
    # Everybody dies while the bank thinks.
    direct.bank.behave(delay_ms=1_500)
    answer = gateway.refund(killed["id"], wait="0s")
    wait_until(lambda: direct.bank.counts(answer.json["id"])[0] == 1, "the bank is asked", 20)
    for program in (gateway.program, processor):
        program.kill()
    direct.bank.behave(delay_ms=0)
    gateway.program.start().wait_ready()
    processor.start().wait_ready()
    wait_until(
        lambda: direct.hurry() or gateway.await_refund(killed["id"], "COMPLETED", timeout=1), "the bank tells", 40)
    assert direct.bank.counts(answer.json["id"]) == (1, 1)
    direct_oracle.settle(direct)
    direct_oracle.check(direct, {lost["id"], killed["id"]})


def test_a_dead_orders_payment_goes_back_by_itself(world: World):
    server = world.server()
    client = world.client(server)
    client.create(7, amount_minor=1999, currency="EUR")
    direct = Direct(world, SAGA_GRPC_ADDR=f"127.0.0.1:{server.grpc_port}")
    direct.processor()
    gateway = direct.gateway()
    direct.bank.behave(delay_ms=1_000)
    paid = gateway.pay(account(), order_id=7).json
    # While the bank thinks, somebody else pays.
    client.settle(7, COMPLETED, "cash")
    gateway.await_status(paid["id"], "COMPLETED")
    refund = gateway.await_refund(paid["id"], "COMPLETED")
    assert (refund["cause"], refund["amount"]) == ("order_dead", 1999)

    def closed() -> bool:
        [exception] = world.sql("SELECT kind, closed_by, note FROM processing.exception")
        assert exception == ("order_dead", "paysaga", f"given back by refund {refund['id']}"), exception
        return True

    wait_until(closed, "the exception is settled", 20)
    assert gateway.payment(paid["id"])["status"] == "COMPLETED"


def test_a_charge_without_a_payment_goes_back(world: World):
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway()
    direct.bank.program.kill()
    charged, not_charged = (gateway.pay(account()).json["id"] for _ in range(2))
    for payment in (charged, not_charged):
        gateway.await_status(payment, "PROCESSING")
        assert gateway.post(f"/v1/payments/{payment}/cancel").json["reason"] == "cancelled"
    direct.bank.program.start().wait_ready()
    # The bank has charged all the same, and somebody finds that out; of the other one it is not true.
    [(user,)] = world.sql("SELECT user_id FROM processing.payment WHERE id = %s", charged)
    body = {"operation_id": charged, "user_id": str(user), "amount": 19.99, "currency": "EUR",
            "account_number": ACCOUNT}
    assert direct.bank.call("POST", "/payment", body).json["status"] == "succeed"
    for payment in (charged, not_charged):
        world.sql("INSERT INTO processing.exception (payment_id, kind) VALUES (%s, 'charged_not_completed')", payment)
    refund = gateway.await_refund(charged, "COMPLETED")
    assert refund["cause"] == "charged_not_completed"
    # There is nothing to give back: a person decides, and the money stays aside.
    refused = gateway.await_refund(not_charged, "REJECTED")
    assert refused["status_reason"] == "bank_declined"
    assert direct.bank.operations()[refund["id"]]["charges"] == 1

    def told() -> bool:
        waiting = paysaga(world, "exceptions", **direct.settings).only
        assert (waiting["payment_id"], waiting["kind"]) == (not_charged, "charged_not_completed"), waiting
        return True

    wait_until(told, "one exception is settled", 20)
    report = paysaga(world, "audit", "--part", "direct", **direct.settings)
    assert report.status == 0, report
