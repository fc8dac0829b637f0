"""The load of the chaos on direct payments: payments of every kind, refunds of every kind, and the bank's statements."""

import http.client
import random
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from threading import Event
from typing import Callable

from .audit import Answer, paysaga
from .direct import FINAL, Direct, Gateway, account, balance, card
from .rpc import COMPLETED
from .waiting import wait_until

CALLERS = 48
PATIENCE = 120
# How much of a statement is compared under the faults: the newest.
NEWEST = timedelta(minutes=2)


class Load:
    """Payments and refunds, each repeated under its key until it is taken in.

    Of twenty payments one pays an order. Of two orders one is settled by somebody else meanwhile, so that its payment,
    if it is completed, has to go back by itself. A few payments are cancelled at once and then charged by the bank all the same, which only
    its statement tells."""

    def __init__(self, direct: Direct, chance: random.Random, number: int, seconds: float):
        self.direct = direct
        self.taken: set[str] = set()
        # Refunds that a caller was told of, by id.
        self.refunds: dict[str, dict] = {}
        # What the bank has charged although nobody asked.
        self.behind: set[str] = set()
        self.counts: Counter[str] = Counter()
        gateway = direct.gateways[0]
        self._owners = {user: gateway.open_account(user, 1_000_000) for user in (str(uuid.uuid4()) for _ in range(5))}
        self._saga = direct.world.client(direct.server)
        self._began = time.monotonic()
        self._stop = Event()
        self._pool = ThreadPoolExecutor(CALLERS)
        # What follows a payment waits for it, and keeps no other from being taken in.
        self._followers = ThreadPoolExecutor(CALLERS)
        moments = sorted(chance.uniform(0, seconds) for _ in range(number))
        plan = [(moment, *self._payment(index, chance)) for index, moment in enumerate(moments)]
        self._following = []
        self._work = [self._pool.submit(self._take_in, *each) for each in plan]

    def _payment(self, number: int, chance: random.Random) -> tuple[dict, Gateway, Callable[[dict], None] | None]:
        """The body, who is called first, and what follows."""
        body = {"user_id": str(uuid.uuid4()), "amount": chance.randrange(100, 10_000), "currency": "EUR"}
        gateway = chance.choice(self.direct.gateways)
        follow = None
        if number % 20 == 19:
            order = (number + 1) // 20
            body |= {"method": chance.choice([any_card(chance), account()]), "order_id": order}
            if order % 2 == 0:
                follow = lambda payment: self._pay_elsewhere(order)  # noqa: E731
        elif chance.random() < 0.15:
            user, own = chance.choice(sorted(self._owners.items()))
            body |= {"user_id": user, "method": balance(own)}
        elif chance.random() < 0.04:
            body["method"] = account()
            follow = self._charge_behind
        else:
            body["method"] = chance.choice([any_card(chance), any_account(chance)])
        if follow is None and chance.random() < 0.25:
            # All of it, a part, or two parts that are more than all.
            amount = body["amount"]
            parts = chance.choice([[None], [chance.randrange(1, amount)], [amount // 2, amount // 2 + 2]])
            follow = lambda payment: self._give_back(payment, parts)  # noqa: E731
        return body, gateway, follow

    def _take_in(self, moment: float, body: dict, gateway: Gateway, follow: Callable[[dict], None] | None) -> None:
        self._stop.wait(self._began + moment - time.monotonic())
        if "order_id" in body:
            self._ask_saga(self._saga.create, body["order_id"])
        if answer := self._until_answered("POST", "/v1/payments", body, 201, gateway):
            self.taken.add(answer["id"])
            if follow:
                self._following.append(self._followers.submit(follow, answer | body))

    def _until_answered(self, method: str, path: str, body: dict | None, wanted: int, first: Gateway | None = None,
                        final: tuple[str, ...] = ()) -> dict | None:
        """Calls again whatever was not answered, each time another gateway: under its key it has one effect.
        - Returns: None for a refusal whose code is in `final`."""
        gateways = self.direct.gateways
        turn = gateways.index(first) if first else 0
        headers = {"Idempotency_Key": str(uuid.uuid4())} if method == "POST" else {}
        deadline = time.monotonic() + PATIENCE
        while not self._stop.is_set():
            assert time.monotonic() < deadline, f"{method} {path} was not answered"
            try:
                answer = gateways[turn % 2].call(method, path, body, timeout=5, **headers)
                if answer.status == wanted:
                    return answer.json
                if answer.status in (409, 404) and answer.json["code"] in final:
                    self.counts[answer.json["code"]] += 1
                    return None
                assert answer.status in (409, 429, 503), answer
            except (OSError, http.client.HTTPException):
                pass
            turn += 1
            self._stop.wait(0.1)
        return None

    def _ended(self, payment: str) -> dict | None:
        """The payment once it is final; None when the load ends before, or after ten minutes: the bank is asked about a
        payment that is still UNKNOWN then every hour, and the whole statement tells sooner."""
        deadline = time.monotonic() + 600
        while not self._stop.is_set():
            found = self._until_answered("GET", f"/v1/payments/{payment}", None, 200)
            if found and found["status"] in FINAL:
                return found
            if time.monotonic() > deadline:
                return None
            self._stop.wait(0.5)
        return None

    def _give_back(self, payment: dict, parts: list[int | None]) -> None:
        """A caller wants the money back, or some of it."""
        ended = self._ended(payment["id"])
        if ended is None or ended["status"] != "COMPLETED":
            return
        for part in parts:
            made = self._until_answered(
                "POST", f"/v1/payments/{payment['id']}/refunds", {} if part is None else {"amount": part}, 201,
                final=("refund_exceeds_payment",))
            if made:
                self.refunds[made["id"]] = made
                self.counts["all" if part is None else "a part"] += 1

    def _pay_elsewhere(self, order: int) -> None:
        """Somebody else pays the order, which makes the payment's own dead, unless that was quicker."""
        self._ask_saga(self._saga.settle, order, COMPLETED, "cash")
        self.counts["orders paid elsewhere"] += 1

    def _ask_saga(self, call: Callable, *arguments: object) -> None:
        """Calls again until there is an answer: doing it twice is safe."""

        def answered() -> bool:
            if not self._stop.is_set():
                call(*arguments, timeout=2)
            return True

        wait_until(answered, f"the saga answers {arguments}", PATIENCE, interval=0.1)

    def _charge_behind(self, payment: dict) -> None:
        """The payment is cancelled before the bank is asked, and the bank charges it all the same."""
        id = payment["id"]
        self._until_answered("POST", f"/v1/payments/{id}/cancel", {}, 200, final=("bank_already_asked", "already_final"))
        ended = self._ended(id)
        if ended is None or ended["reason"] != "cancelled":
            return
        body = {"operation_id": id, "user_id": payment["user_id"], "amount": payment["amount"] / 100,
                "currency": payment["currency"], "account_number": payment["method"]["number"]}

        def charged() -> bool:
            if self._stop.is_set() or self.direct.bank.counts(id)[1] == 1:
                return True
            try:
                self.direct.bank.call("POST", "/payment", body, timeout=3)
            except (OSError, http.client.HTTPException):
                pass
            return self.direct.bank.counts(id)[1] == 1

        wait_until(charged, f"{id} is charged behind our back", PATIENCE, interval=0.1)
        self.behind.add(id)
        self.counts["charged behind"] += 1

    @property
    def is_done(self) -> bool:
        return all(each.done() for each in self._work) and all(each.done() for each in list(self._following))

    def end(self) -> None:
        for each in self._work:
            each.result(timeout=PATIENCE)
        self._pool.shutdown()
        for each in self._following:
            each.result(timeout=2 * PATIENCE)
        self._followers.shutdown()

    def give_up(self) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        self._followers.shutdown(cancel_futures=True)


def reconcile(direct: Direct, *options: str, newest: bool = False) -> Answer:
    """Compares the bank's statement as it is now; all of it, or what is new.
    - Throws: OSError when the bank is away."""
    query = ""
    if newest:
        query = f"?from={(datetime.now(timezone.utc) - NEWEST).strftime('%Y-%m-%dT%H:%M:%SZ')}"
    path = direct.world.directory / f"statement-{time.monotonic_ns()}.csv"
    path.write_bytes(direct.bank.call("GET", f"/statement{query}").body)
    return paysaga(direct.world, "reconcile", "--statement", str(path), *options, **direct.settings)


def any_card(chance: random.Random) -> dict:
    """A number with the right check digit; most of them are approved."""
    digits = [4, *(chance.randrange(10) for _ in range(14))]
    doubled = sum(sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits))
    return card("".join(map(str, digits)) + str(-doubled % 10))


def any_account(chance: random.Random) -> dict:
    """One number in five is declined."""
    return account(f"{chance.randrange(10**9, 10**10)}{chance.choice('11112')}")
