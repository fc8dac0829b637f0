"""Direct payments from POST to the final state, on the real programs: gateway, processor and bank. test_orders has those
of orders, test_direct_crashes and test_gateway_crashes those in which something is away.
"""

import json
import uuid
from collections import defaultdict

import pytest

from harness import direct_oracle
from harness.direct import DECLINED_ACCOUNT, DECLINED_CARD, PARTITIONS, Direct, account, balance, card
from harness.topics import Message, TopicReader
from harness.world import World


@pytest.fixture(scope="module")
def shared(shared_world: World) -> Direct:
    """One processor and one gateway, for tests that kill nothing and leave no payment open."""
    direct = Direct(shared_world)
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


def test_messages_lie_under_the_id_of_their_payment_in_order(shared: Direct):
    [gateway] = shared.gateways
    paid = [gateway.paid(method) for method in (card(), account(), account(DECLINED_ACCOUNT))]
    by_message = {each["id"] for each in paid[1:]}
    for topic, wanted in ((shared.payments_topic, by_message), (shared.results_topic, {each["id"] for each in paid})):
        reader = TopicReader(shared.world.broker.brokers, topic, PARTITIONS)
        try:
            found: dict[str, list[Message]] = defaultdict(list)
            for message in reader.catch_up():
                found[message.key.decode()].append(message)
        finally:
            reader.close()
        for id in wanted:
            values = [json.loads(message.value) for message in found[id]]
            assert {value["payment_id"] for value in values} == {id}
            assert len({message.partition for message in found[id]}) == 1
            versions = [value.get("version") for value in values]
            assert versions == ([None] if topic == shared.payments_topic else list(range(2, len(versions) + 2)))
        # A card's number travels in memory: there is no message.
        assert topic == shared.results_topic or paid[0]["id"] not in found
