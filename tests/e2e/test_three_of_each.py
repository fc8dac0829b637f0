"""Three gateways and three processors on one installation: killed in turn under load, their partitions move, nothing is
lost or doubled, and whoever waits at any gateway is answered wherever the result was taken in.
"""

import http.client
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness import direct_oracle
from harness.direct import PARTITIONS, Direct, Gateway, account, balance, new_card
from harness.process import Program
from harness.waiting import wait_until
from harness.world import World

CALLERS, PATIENCE = 12, 60.0


class Load:
    """Callers that pay for as long as it goes on; each repeats a payment under its key until a gateway has taken it."""

    def __init__(self, direct: Direct, user: str, own: str):
        self.direct, self.taken = direct, set[str]()
        self._bodies = [
            lambda: {"user_id": str(uuid.uuid4()), "method": account()},
            lambda: {"user_id": str(uuid.uuid4()), "method": new_card()},
            lambda: {"user_id": user, "method": balance(own)},
        ]
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(CALLERS)
        self._work = [self._pool.submit(self._call, caller) for caller in range(CALLERS)]

    def _call(self, caller: int) -> None:
        number = caller
        while not self._over.is_set():
            body = self._bodies[number % len(self._bodies)]() | {"amount": 1 + number, "currency": "EUR"}
            self._take_in(number, str(uuid.uuid4()), body)
            number += 1
            self._over.wait(0.2)

    def _take_in(self, number: int, key: str, body: dict[str, Any]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            gateway = self.direct.gateways[number % len(self.direct.gateways)]
            try:
                answer = gateway.post("/v1/payments", body, key, timeout=10)
                if answer.status == 201:
                    self.taken.add(answer.json["id"])
                    return
                assert answer.status in (409, 503), answer
            except (OSError, http.client.HTTPException):
                pass  # it was killed
            assert time.monotonic() < deadline, f"{key} was not taken in"
            number += 1
            time.sleep(0.05)

    def passes(self, count: int) -> None:
        """Waits until that many more are taken in."""
        wanted = len(self.taken) + count
        wait_until(lambda: len(self.taken) >= wanted, f"{count} more payments", PATIENCE)

    def end(self) -> None:
        self._over.set()
        for each in self._work:
            each.result(PATIENCE)
        self._pool.shutdown()


def share_all(metric: str, *members: Program) -> None:
    """Waits until these members hold all partitions between them, each some."""

    def look() -> bool:
        shares = [member.metric(metric) for member in members]
        assert sum(shares) == PARTITIONS and min(shares) > 0, shares
        return True

    wait_until(look, f"{[member.name for member in members]} share {metric}", 40, interval=0.1)


def test_members_that_are_killed_lose_and_double_nothing(world: World):
    direct = Direct(world, **world.broker.quick_groups)
    programs = [world.program("payments-processor", **direct.settings) for _ in range(3)]
    gateways = [world.program("payments-gateway", **direct.settings) for _ in range(3)]
    for each in [*programs, *gateways]:
        each.start()
    direct.processors = [each.wait_ready() for each in programs]
    direct.gateways = [Gateway(each.wait_ready()) for each in gateways]
    direct.bank.behave(idempotent=False, delay_ms=[0, 300], faults={"lost_answer": 20, "closed": 10})
    user = str(uuid.uuid4())
    own = direct.gateways[0].open_account(user, 10_000_000)
    share_all("paysaga_direct_payments_partitions", *programs)
    share_all("paysaga_results_partitions", *gateways)
    load = Load(direct, user, own)
    try:
        load.passes(30)
        programs[0].kill()
        gateways[0].kill()
        # What they had goes to the others, which are killed in their turn while the first come back.
        share_all("paysaga_direct_payments_partitions", *programs[1:])
        share_all("paysaga_results_partitions", *gateways[1:])
        load.passes(30)
        for each in (programs[0], gateways[0]):
            each.start()
        programs[1].kill()
        gateways[1].kill()
        load.passes(30)
        for each in (programs[1], gateways[1]):
            each.start()
        share_all("paysaga_direct_payments_partitions", *programs)
        share_all("paysaga_results_partitions", *gateways)
        load.passes(30)
    finally:
        load.end()
    direct.bank.behave(delay_ms=0, faults={})
    direct_oracle.settle(direct)
    verdict = direct_oracle.check(direct, load.taken)
    assert verdict.states["COMPLETED"] > 60 and sum(verdict.states.values()) >= len(load.taken), verdict
    check_waiters(direct)


def check_waiters(direct: Direct) -> None:
    """Each payment has a waiter at every gateway, and results are taken in by every gateway."""
    direct.bank.behave(delay_ms=1000)

    def applied() -> list[float]:
        return [each.program.metric("paysaga_results_messages_total", outcome="applied") for each in direct.gateways]

    before = applied()
    payments = [direct.gateways[number % 3].pay(account()).json["id"] for number in range(12)]
    began = time.monotonic()
    with ThreadPoolExecutor(36) as pool:
        waiting = [pool.submit(each.payment, id, wait="60s") for id in payments for each in direct.gateways]
        states = [each.result()["status"] for each in waiting]
    # Nothing is asked for again before the minute is over: they were told.
    assert states == ["COMPLETED"] * 36 and time.monotonic() - began < 30
    grown = [after - former for after, former in zip(applied(), before)]
    assert min(grown) > 0, f"not every gateway has taken results in: {grown}"
