"""Orders of the saga that are paid directly: settled there, for as long as that takes, or dead."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

from harness.audit import paysaga
from harness.direct import DECLINED_ACCOUNT, DECLINED_CARD, Direct, account, balance, card
from harness.rpc import COMPLETED
from harness.waiting import wait_until
from harness.world import World


def settings_of(direct: Direct) -> dict[str, str]:
    names = ("PROCESSING_DSN", "GATEWAY_DSN", "DIRECT_PAYMENT_TOPIC", "DIRECT_RESULT_TOPIC")
    return {name: direct.settings[name] for name in names}


def audited(direct: Direct) -> dict:
    """The tables of direct payments, which agree; so do the topics."""
    answer = paysaga(direct.world, "audit", "--part", "direct", **settings_of(direct))
    assert answer.status == 0, answer
    assert [line["outcome"] for line in answer.lines] == ["agree"] * 3
    assert {line.get("topic") for line in answer.lines} == {None, direct.payments_topic, direct.results_topic}
    return answer.lines[0]


def test_an_order_is_paid_and_settled(world: World):
    server = world.server()
    client = world.client(server)
    client.create(7, amount_minor=1999, currency="EUR")
    direct = Direct(world, SAGA_GRPC_ADDR=f"127.0.0.1:{server.grpc_port}")
    direct.processor()
    gateway = direct.gateway()
    wrong = gateway.pay(account(), amount=2000, order_id=7)
    assert wrong.problem[:2] == (422, "amount_differs")
    assert gateway.pay(account(), order_id=8).problem[:2] == (409, "order_not_payable")
    paid = gateway.paid(account(), order_id=7)
    assert paid["status"] == "COMPLETED", paid

    def settled():
        found = client.get(7)
        assert found.status == COMPLETED and found.reason == f"direct:{paid['id']}", found
        return found

    wait_until(settled, "the order is settled")
    assert gateway.pay(account(), order_id=7).problem[1] in ("order_payment_exists", "order_not_payable")
    report = wait_until(lambda: audited(direct), "gateway and processing agree")
    assert (report["payments"], report["settlements"], report["exceptions"]) == (1, 0, 0)
    told = {}
    for wanted in (["7"], [paid["id"]], ["--payment", paid["id"]]):
        story = paysaga(world, "trace", *wanted, **settings_of(direct))
        assert story.status == 0 and [each["at"] for each in story.lines] == sorted(each["at"] for each in story.lines)
        told[tuple(wanted)] = story.lines
    assert len({str(lines) for lines in told.values()}) == 1
    lines = told[("7",)]
    happened = {(each["part"], each["what"]): each for each in lines}
    assert happened["payment", "CREATED"]["by"].startswith("ipv4:127.0.0.1:")
    assert happened["payment", "COMPLETED"]["reason"] == f"direct:{paid['id']}"
    assert {each.get("outbox") for each in lines} == {None, "saga", "gateway", "processing"}
    assert happened["bank", "answered"]["call"] == "charge" and ("ledger", "posted") in happened
    of_event = paysaga(world, "trace", "--event", happened["event", "written"]["event_id"], **settings_of(direct))
    assert of_event.lines == lines
    status, body = server.get("/trace?order=7")
    page = json.loads(body)
    assert status == 200 and page["status"] == "COMPLETED"
    assert page["entries"] == [
        {name: value for name, value in each.items() if value is not None}
        for each in lines if each["part"] == "payment" or each.get("outbox") == "saga"]
    assert [server.get(f"/trace{query}")[0] for query in ("?order=99", "", "?order=x")] == [404, 400, 400]
    # The gateway's part, by the order, the payment and an event of it.
    events = [each["event_id"] for each in lines if each["what"] == "written" and each["outbox"] != "saga"]
    for query in ("order=7", f"payment={paid['id']}", f"event={events[0]}", f"event={events[-1]}"):
        status, body = gateway.program.get(f"/trace?{query}")
        told = json.loads(body)
        assert status == 200 and told["direct_payments"] == [paid["id"]], (query, body)
        assert told["entries"] == [
            {name: value for name, value in each.items() if value is not None}
            for each in lines if each["part"] != "payment" and each.get("outbox") != "saga"], query
    wrong = ("?order=99", f"?payment={uuid.uuid4()}", f"?event={uuid.uuid4()}", "", "?payment=7", "?order=7&payment=7")
    assert [gateway.program.get(f"/trace{query}")[0] for query in wrong] == [404, 404, 404, 400, 400, 400]
    nobody = paysaga(world, "trace", "99", **settings_of(direct))
    assert nobody.status == 1 and "nothing is known of an order or a payment 99" in nobody.error


def test_a_settlement_waits_for_the_saga_and_a_dead_order_for_a_person(world: World):
    server = world.server()
    client = world.client(server)
    for order in (1, 2):
        client.create(order, amount_minor=1999, currency="EUR")
    direct = Direct(world, SAGA_GRPC_ADDR=f"127.0.0.1:{server.grpc_port}", ORDER_DEAD="hold")
    direct.processor()
    gateway = direct.gateway()
    direct.bank.behave(delay_ms=1_000)
    late, dead = (gateway.pay(account(), order_id=order).json["id"] for order in (1, 2))
    # While the bank thinks, somebody else pays, and the saga goes away.
    client.settle(2, COMPLETED, "cash")
    port = server.grpc_port
    server.stop()
    for payment in (late, dead):
        gateway.await_status(payment, "COMPLETED")
    again = world.server(SERVER_GRPC_ADDR=f"127.0.0.1:{port}")
    client = world.client(again)

    def settled():
        assert client.get(1).reason == f"direct:{late}"
        waiting, = paysaga(world, "exceptions", **settings_of(direct)).lines
        assert (waiting["payment_id"], waiting["kind"], waiting["order_id"]) == (dead, "order_dead", 2), waiting
        assert "cash" in waiting["detail"]
        return waiting

    wait_until(settled, "one order is settled and one is dead", 30)
    assert (client.get(2).status, client.get(2).reason) == (COMPLETED, "cash")
    assert wait_until(lambda: audited(direct), "the books agree")["exceptions"] == 1


def test_an_audit_beside_working_programs_raises_no_alarm(world: World):
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway()
    direct.bank.behave(delay_ms=[0, 30], faults={"lost_answer": 100, "closed": 50, "cut": 50})
    payer = gateway.open_account(str(uuid.uuid4()), 3_000)
    owner = gateway.get(f"/v1/accounts/{payer}").json["user_id"]
    methods = [account(), account(DECLINED_ACCOUNT), card(), card(DECLINED_CARD)]

    def pay(number: int) -> str:
        if number % 5 == 4:
            return gateway.pay(balance(payer), amount=100, user_id=owner).json["id"]
        return gateway.pay(methods[number % 5]).json["id"]

    def judge() -> dict:
        answer = paysaga(world, "audit", "--part", "direct", **settings_of(direct))
        assert answer.status == 0, answer
        return answer.lines[0]

    with ThreadPoolExecutor(8) as callers:
        made = [callers.submit(pay, number) for number in range(300)]
        audits = 0
        while audits < 3 or not all(each.done() for each in made):
            judge()
            audits += 1
        payments = [each.result() for each in made]
    for payment in payments:
        gateway.await_status(payment, "COMPLETED", "REJECTED", "ERROR", "UNKNOWN")
    report = judge()
    assert report["payments"] == report["intake"] == 300
