"""Direct payments while everything dies: programs, bank, database and broker are killed and stopped in the middle of
many payments, and the bank goes wrong in every way it can.

`make chaos LOAD=10000 SEED=n` is the long run: CHAOS_LOAD=10000 CHAOS_SEED=n. Faults are made until that many payments
are taken in.
"""

import http.client
import os
import random
import signal
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Callable, Iterator

import pytest

from harness import direct_oracle
from harness.direct import MERCHANT, Direct, Gateway, account, balance, card
from harness.process import Process
from harness.servers import DevKafka, PostgresServer
from harness.waiting import wait_until
from harness.world import World

LOAD = int(os.environ.get("CHAOS_LOAD") or 300)
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32))
# Payments a second, on average.
RATE = 12 if LOAD <= 1000 else 60
CALLERS = 48
PATIENCE = 120
LEASE = 2.0
# Of a thousand requests of the bank.
FAULTS = dict.fromkeys((
    "lost_answer", "cut", "closed", "error_500", "error_500_done", "unauthorized", "html", "hang", "hang_done", "drip",
    "other_amount", "other_id"), 12)


@pytest.fixture
def direct(make_world: Callable[..., World], own_postgres: PostgresServer, own_kafka: DevKafka) -> Iterator[Direct]:
    world = make_world(postgres=own_postgres, kafka=own_kafka)
    server = world.server()
    made = Direct(world, SAGA_GRPC_ADDR=f"127.0.0.1:{server.grpc_port}")
    for _ in range(2):
        made.processor()
        made.gateway()
    made.server = server
    yield made


class Load:
    """Payments of every kind, each repeated under its key until it is taken in."""

    def __init__(self, direct: Direct, chance: random.Random):
        self.direct = direct
        self.taken: set[str] = set()
        gateway = direct.gateways[0]
        self._owners = {user: gateway.open_account(user, 1_000_000) for user in (str(uuid.uuid4()) for _ in range(5))}
        client = direct.world.client(direct.server)
        for number in range(1, LOAD // 20 + 1):
            client.create(number)
        self._began = time.monotonic()
        self._stop = Event()
        self._pool = ThreadPoolExecutor(CALLERS)
        moments = sorted(chance.uniform(0, LOAD / RATE) for _ in range(LOAD))
        plan = [(moment, *self._payment(number, chance)) for number, moment in enumerate(moments)]
        self._work = [self._pool.submit(self._take_in, *each) for each in plan]

    def _payment(self, number: int, chance: random.Random) -> tuple[str, dict, Gateway]:
        """The key, the body, and who is called first."""
        body = {"user_id": str(uuid.uuid4()), "amount": chance.randrange(100, 10_000), "currency": "EUR"}
        if number % 20 == 19:
            body |= {"method": chance.choice([any_card(chance), account()]), "order_id": (number + 1) // 20}
        elif chance.random() < 0.15:
            user, own = chance.choice(sorted(self._owners.items()))
            body |= {"user_id": user, "method": balance(own)}
        else:
            body["method"] = chance.choice([any_card(chance), any_account(chance)])
        return str(uuid.uuid4()), body, chance.choice(self.direct.gateways)

    def _take_in(self, moment: float, key: str, body: dict, gateway: Gateway) -> None:
        """Calls again whatever was not answered, each time another gateway: under its key it is one payment."""
        gateways = [gateway, *[each for each in self.direct.gateways if each is not gateway]]
        self._stop.wait(self._began + moment - time.monotonic())
        deadline = time.monotonic() + PATIENCE
        attempt = 0
        while not self._stop.is_set():
            assert time.monotonic() < deadline, f"{key} was not taken in"
            try:
                answer = gateways[attempt % 2].call("POST", "/v1/payments", body, timeout=5, Idempotency_Key=key)
                if answer.status == 201:
                    self.taken.add(answer.json["id"])
                    return
                assert answer.status in (409, 429, 503), answer
            except (OSError, http.client.HTTPException):
                pass
            attempt += 1
            self._stop.wait(0.1)

    @property
    def is_done(self) -> bool:
        return all(each.done() for each in self._work)

    def end(self) -> None:
        for each in self._work:
            each.result(timeout=PATIENCE)
        self._pool.shutdown()

    def give_up(self) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)


def any_card(chance: random.Random) -> dict:
    """A number with the right check digit; most of them are approved."""
    digits = [4, *(chance.randrange(10) for _ in range(14))]
    doubled = sum(sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits))
    return card("".join(map(str, digits)) + str(-doubled % 10))


def any_account(chance: random.Random) -> dict:
    """One number in five is declined."""
    return account(f"{chance.randrange(10**9, 10**10)}{chance.choice('11112')}")


def kill(process: Process, chance: random.Random) -> None:
    process.kill()
    time.sleep(chance.uniform(0, 1))
    process.start()


def pause(process: Process, chance: random.Random) -> None:
    process.send(signal.SIGSTOP)
    time.sleep(chance.uniform(0.1, 2 * LEASE))
    process.send(signal.SIGCONT)


def faults(direct: Direct, postgres: PostgresServer, kafka: DevKafka) -> dict[str, Callable[[random.Random], None]]:
    def crash_postgres(chance: random.Random) -> None:
        postgres.crash()
        time.sleep(chance.uniform(0, 1))
        postgres.start()

    def freeze_postgres(chance: random.Random) -> None:
        postgres.freeze()
        time.sleep(chance.uniform(0.2, LEASE))
        postgres.thaw()

    def stop_broker(chance: random.Random) -> None:
        kafka.down()
        time.sleep(chance.uniform(0.1, 2))
        kafka.up()

    made = {"crash_postgres": crash_postgres, "freeze_postgres": freeze_postgres, "stop_broker": stop_broker}
    programs = [*(gateway.program for gateway in direct.gateways), *direct.processors, direct.bank.program]
    for program in programs:
        made[f"kill {program.name}"] = lambda chance, program=program: kill(program, chance)
        made[f"pause {program.name}"] = lambda chance, program=program: pause(program, chance)
    return made


@pytest.mark.timeout(600 + LOAD)
def test_direct_payments_survive(direct: Direct, own_postgres: PostgresServer, own_kafka: DevKafka):
    chance = random.Random(SEED)
    print(f"CHAOS_SEED={SEED} CHAOS_LOAD={LOAD}")
    drawn = faults(direct, own_postgres, own_kafka)
    direct.bank.behave(idempotent=False, forgets=1, delay_ms=[0, 300], faults=FAULTS)
    load = Load(direct, chance)
    happened: Counter[str] = Counter()
    began = time.monotonic()
    try:
        # Each in turn first, also when all payments are taken in: many are on their way then.
        plan = chance.sample(sorted(drawn), len(drawn))
        while plan or not load.is_done:
            time.sleep(chance.uniform(0.1, 0.8))
            name = plan.pop() if plan else chance.choice(sorted(drawn))
            print(f"{time.monotonic() - began:6.1f} s  {name}, {len(load.taken)} taken in", flush=True)
            drawn[name](chance)
            happened[name] += 1
            if name.endswith(direct.bank.program.name):
                direct.bank.program.wait_ready()
                direct.bank.behave(idempotent=False, forgets=1, delay_ms=[0, 300], faults=FAULTS)
        load.end()
    except BaseException:
        load.give_up()
        raise
    direct.bank.behave(faults={}, delay_ms=0, forgets=0)
    for program in direct.world.programs:
        program.wait_ready(PATIENCE)
    direct_oracle.settle(direct, timeout=PATIENCE + LOAD / 20)
    wait_until(
        lambda: direct.world.value("SELECT count(*) FROM processing.settlement") == 0, "orders are settled", PATIENCE)
    verdict = direct_oracle.check(direct, load.taken)
    print(f"{verdict} after {dict(happened)}, {time.monotonic() - began:.0f} s")
    assert len(load.taken) == LOAD and sum(verdict.states.values()) == LOAD
    assert verdict.states["COMPLETED"] > LOAD / 2, verdict
    assert direct.world.value(
        "SELECT count(*) FROM ledger.account WHERE kind = 1 AND owner = %s", MERCHANT) == 1
    assert set(happened) == set(drawn)
