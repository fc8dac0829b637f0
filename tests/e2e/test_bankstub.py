"""The imitated bank as a program: what it has done survives its crashes."""

import uuid

import pytest

from harness.direct import CARD, Bank
from harness.world import World


@pytest.fixture
def bank(world: World) -> Bank:
    return Bank(world)


def charge(operation: str) -> dict:
    return {"operation_id": operation, "user_id": str(uuid.uuid4()), "amount": "19.99", "currency": "EUR",
            "card_number": CARD}


def test_what_was_answered_is_there_after_a_crash(bank: Bank):
    operations = [str(uuid.uuid4()) for _ in range(20)]
    answers = [bank.call("POST", "/payment", charge(operation)).json for operation in operations]
    bank.behave(script=["error_500"])
    refused = str(uuid.uuid4())
    assert bank.call("POST", "/payment", charge(refused)).status == 500
    bank.program.kill()
    bank.program.start().wait_ready()
    assert [bank.call("GET", f"/payment/{operation}").json for operation in operations] == answers
    assert {bank.counts(operation) for operation in operations} == {(1, 1)} and bank.counts(refused) == (1, 0)
    assert bank.call("GET", f"/payment/{refused}").status == 404
    # A repeated charge is answered from what was done.
    assert bank.call("POST", "/payment", charge(operations[0])).json == answers[0] and bank.counts(operations[0]) == (2, 1)


def test_it_knows_nothing_of_card_numbers(bank: Bank, world: World):
    bank.call("POST", "/payment", charge(str(uuid.uuid4())))
    assert CARD not in (world.directory / "bank.ndjson").read_text()
    assert CARD not in bank.program.output
    assert bank.program.stop() == 0
