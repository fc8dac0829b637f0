"""Direct payments and their refunds while everything dies: programs, bank, database and broker are killed and stopped
in the middle of them, and the bank goes wrong in every way it can.

`make chaos LOAD=10000 SECONDS=600 SEED=n` is the long run: CHAOS_LOAD=10000 CHAOS=600 CHAOS_SEED=n. Faults are made until
that many payments are taken in, which takes so many seconds at least.
"""

import http.client
import os
import random
import signal
import time
from collections import Counter
from typing import Callable, Iterator

import pytest

from harness import direct_oracle
from harness.audit import Faults
from harness.direct import MERCHANT, Direct
from harness.direct_load import Load, reconcile
from harness.process import Process
from harness.servers import DevKafka, PostgresServer
from harness.waiting import wait_until
from harness.world import World

LOAD = int(os.environ.get("CHAOS_LOAD") or 300)
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32))
# For how long payments come, in seconds.
SECONDS = max(LOAD / (12 if LOAD <= 1000 else 60), float(os.environ.get("CHAOS") or 0))
PATIENCE = 120
LEASE = 2.0
# How long after a fault copies may come: a lease for the takeover, then what was under way, on a busy machine.
AFTERMATH = 2 * LEASE + 4
# After so many faults an operator compares the bank's newest statement.
RECONCILED_EVERY = 15
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


BEHAVIOUR = {"idempotent": False, "forgets": 1, "delay_ms": [0, 300], "approval": 92, "faults": FAULTS}


def compare_newest(direct: Direct) -> bool:
    """An operator compares the bank's newest statement, whatever is down just now."""
    try:
        answer = reconcile(direct, newest=True)
    except (OSError, http.client.HTTPException):
        return False
    assert answer.status in (0, 1, 2), answer
    return answer.status != 2


@pytest.mark.timeout(600 + LOAD + 2 * SECONDS)
def test_direct_payments_survive(direct: Direct, own_postgres: PostgresServer, own_kafka: DevKafka):
    chance = random.Random(SEED)
    print(f"CHAOS_SEED={SEED} CHAOS_LOAD={LOAD} CHAOS={SECONDS:.0f}")
    drawn = faults(direct, own_postgres, own_kafka)
    direct.bank.behave(**BEHAVIOUR)
    load = Load(direct, chance, LOAD, SECONDS)
    happened: Counter[str] = Counter()
    times = Faults(AFTERMATH)
    compared = 0
    began = time.monotonic()
    try:
        # Each in turn first, also when all payments are taken in: many are on their way then.
        plan = chance.sample(sorted(drawn), len(drawn))
        while plan or not load.is_done:
            time.sleep(chance.uniform(0.1, 0.8))
            name = plan.pop() if plan else chance.choice(sorted(drawn))
            print(f"{time.monotonic() - began:6.1f} s  {name}, {len(load.taken)} taken in, {load.counts}", flush=True)
            with times.during():
                drawn[name](chance)
            happened[name] += 1
            if name.endswith(direct.bank.program.name):
                direct.bank.program.wait_ready()
                direct.bank.behave(**BEHAVIOUR)
            if happened.total() % RECONCILED_EVERY == 0:
                compared += compare_newest(direct)
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
    # The whole statement finds what the newest ones have not told.
    direct_oracle.await_horizon(direct)
    whole = reconcile(direct, *direct_oracle.complete(direct), "--limit", "100000")
    contradicted = {each["id"] for each in whole.only["findings"]}
    assert contradicted == load.behind and {each["kind"] for each in whole.only["findings"]} <= {
        "charged_not_completed"}, whole
    verdict = direct_oracle.check_refunded(direct, load, times, PATIENCE)
    print(f"{verdict} after {dict(happened)}, {compared} statements under the faults, {dict(load.counts)},"
          f" {time.monotonic() - began:.0f} s")
    assert len(load.taken) == LOAD and sum(verdict.states.values()) == LOAD
    assert verdict.states["COMPLETED"] > LOAD / 2, verdict
    assert load.counts["all"] and load.counts["a part"] and load.behind, load.counts
    assert {"caller", "order_dead", "charged_not_completed"} <= {cause for cause, _ in verdict.refunds}, verdict
    assert direct.world.value(
        "SELECT count(*) FROM ledger.account WHERE kind = 1 AND owner = %s", MERCHANT) == 1
    assert set(happened) == set(drawn)
