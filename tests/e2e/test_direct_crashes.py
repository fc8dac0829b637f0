"""Direct payments while bank, database or processors are away. Apart from test_direct, whose programs would still hold
their connections.
"""

import signal
import threading
import uuid
from typing import Callable

import pytest

from harness import direct_oracle
from harness.direct import Direct, account, card
from harness.servers import PostgresServer
from harness.waiting import wait_until
from harness.world import World


@pytest.fixture
def direct(world: World) -> Direct:
    """One processor and one gateway."""
    return started(Direct(world))


def started(direct: Direct) -> Direct:
    direct.processor()
    direct.gateway()
    return direct


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
