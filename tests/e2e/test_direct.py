"""Direct payments from POST to the final state, on the real programs: gateway, processor and bank. test_orders has those
of orders, test_gateway_crashes those without a broker.
"""

import signal
import threading
import uuid
from typing import Callable

import pytest

from harness import direct_oracle
from harness.direct import DECLINED_ACCOUNT, DECLINED_CARD, Direct, account, balance, card
from harness.servers import PostgresServer
from harness.waiting import wait_until
from harness.world import World


@pytest.fixture
def direct(world: World) -> Direct:
    """One processor and one gateway."""
    return started(Direct(world))


@pytest.fixture(scope="module")
def shared(shared_world: World) -> Direct:
    """The same for tests that kill nothing and leave no payment open."""
    return started(Direct(shared_world))


def started(direct: Direct) -> Direct:
    direct.processor()
    direct.gateway()
    return direct


def test_card_account_and_balance_to_the_end(shared: Direct):
    [gateway], user = shared.gateways, str(uuid.uuid4())
    paid = [gateway.paid(card(), user_id=user), gateway.paid(account(), user_id=user)]
    declined = [gateway.paid(card(DECLINED_CARD), user_id=user), gateway.paid(account(DECLINED_ACCOUNT), user_id=user)]
    own = gateway.open_account(user, 5000)
    paid.append(gateway.paid(balance(own), user_id=user))
    # What is left is less than the second one takes.
    short = gateway.paid(balance(own), user_id=user, amount=3002)
    assert [each["status"] for each in paid] == ["COMPLETED"] * 3, paid
    assert [(each["status"], each["reason"]) for each in declined] == [("REJECTED", "bank_declined")] * 2, declined
    assert (short["status"], short["reason"]) == ("REJECTED", "insufficient_funds"), short
    assert [shared.bank.counts(each["id"]) for each in paid] == [(1, 1), (1, 1), (0, 0)]
    assert [shared.bank.counts(each["id"]) for each in [*declined, short]] == [(1, 0), (1, 0), (0, 0)]
    direct_oracle.settle(shared)
    direct_oracle.check(shared, {each["id"] for each in [*paid, *declined, short]})


@pytest.mark.parametrize("method", [card(), account()], ids=["card", "account"])
def test_a_lost_answer_becomes_unknown_and_then_completed_with_one_charge(shared: Direct, method: dict):
    [gateway] = shared.gateways
    shared.bank.behave(idempotent=False, script=["lost_answer", "error_500"])
    payment = gateway.paid(method, wait="5s")
    assert payment["status"] == "UNKNOWN", payment
    assert shared.bank.counts(payment["id"]) == (1, 1)
    # The first question was answered 500; the second one comes five seconds later.
    final = gateway.payment(payment["id"], wait="20s")
    assert final["status"] == "COMPLETED", final
    assert shared.bank.counts(payment["id"]) == (1, 1)
    direct_oracle.check(shared, {payment["id"]})


def test_a_charge_that_never_was_is_reversed_before_it_is_an_error(shared: Direct):
    [gateway] = shared.gateways
    shared.bank.behave(script=["closed"])
    payment = gateway.paid(account(), wait="3s")
    assert payment["status"] == "UNKNOWN", payment
    direct_oracle.settle(shared)
    final = gateway.payment(payment["id"])
    assert (final["status"], final["reason"]) == ("ERROR", "bank_never_charged"), final
    assert shared.bank.operations()[payment["id"]]["status"] == "reversed"
    direct_oracle.check(shared, {payment["id"]})


def test_payments_wait_while_the_bank_is_down(direct: Direct):
    [gateway] = direct.gateways
    direct.bank.program.kill()
    taken = [gateway.paid(method, wait="0s") for method in (card(), account(), card(), account())]
    for each in taken:
        gateway.await_status(each["id"], "PROCESSING")
    direct.bank.program.start().wait_ready()
    for each in taken:
        gateway.await_status(each["id"], "COMPLETED")
        assert direct.bank.counts(each["id"]) == (1, 1), "nothing was sent while the bank was down"
    direct_oracle.check(direct, {each["id"] for each in taken})


def test_payments_go_on_after_postgres_was_restarted(make_world: Callable[..., World], own_postgres: PostgresServer):
    direct = started(Direct(make_world(postgres=own_postgres)))
    [gateway] = direct.gateways
    direct.bank.behave(delay_ms=300)
    key, user = str(uuid.uuid4()), str(uuid.uuid4())
    taken = [gateway.paid(method, wait="0s")["id"] for method in [card(), account()] * 10]
    own_postgres.crash()
    away = gateway.pay(account(), key=key, user_id=user)
    assert away.status == 503 and "retry-after" in away.headers, away
    own_postgres.start()

    def accepted():
        answer = gateway.pay(account(), key=key, user_id=user)
        assert answer.status == 201, answer
        return answer.json["id"]

    taken.append(wait_until(accepted, "the gateway takes payments again", 30, interval=0.2))
    direct_oracle.settle(direct)
    verdict = direct_oracle.check(direct, set(taken))
    # Charges that the crash hit are asked about; nothing is lost and nobody paid twice.
    assert verdict.states["COMPLETED"] == len(taken), verdict


def test_a_processor_takes_over_from_one_that_died(direct: Direct):
    [gateway], [first] = direct.gateways, direct.processors
    direct.bank.behave(delay_ms=1500)
    taken = [gateway.paid(account(), wait="0s")["id"] for _ in range(10)]
    wait_until(lambda: len(direct.bank.operations()) == 10, "the bank is asked")
    first.kill()
    direct.processor()
    direct_oracle.settle(direct)
    assert direct_oracle.check(direct, set(taken)).states == {"COMPLETED": 10}


def test_a_stopped_processor_asks_for_nothing_that_was_taken_over(direct: Direct):
    """D1: whoever wakes up after its lease sends nothing, and what it asked before is answered by asking the bank."""
    [gateway], [first] = direct.gateways, direct.processors
    direct.bank.behave(idempotent=False, delay_ms=200)
    taken: list[str] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            taken.append(gateway.paid(account(), wait="0s")["id"])

    loader = threading.Thread(target=load)
    loader.start()
    wait_until(lambda: len(taken) > 20, "payments come")
    first.send(signal.SIGSTOP)
    direct.processor()
    wait_until(lambda: len(taken) > 100, "payments go on")
    stop.set()
    loader.join()
    wait_until(
        lambda: direct.world.value("SELECT count(*) FROM processing.payment WHERE stage = 'asked'") == 0,
        "the second one has taken over", 30)
    first.send(signal.SIGCONT)
    direct_oracle.settle(direct)
    direct_oracle.check(direct, set(taken))
