"""Faults drawn at random under load: nothing acknowledged is lost, every event arrives, in order, copies only around faults.

`make chaos SECONDS=600 SEED=n` is the long run: CHAOS=600 CHAOS_SEED=n. CHAOS_FAULTS=kill,cut draws from these only.
"""

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Iterator

import grpc
import pytest

from harness import oracle
from harness.audit import Faults
from harness.chaos import FAULTS, LEASE, Cluster, Stage, possible
from harness.rpc import COMPLETED, Client
from harness.servers import DevKafka, SmallDisk
from harness.waiting import wait_until
from harness.world import World, inventory_message

# Seconds of faults. The short form has every kind once, however long that takes.
SECONDS = float(os.environ.get("CHAOS", "0"))
# After so many seconds of faults comes a calm, in which the load goes on. The short form has one calm, at its end.
ROUND = 20.0 if SECONDS else 90.0
# How long after a fault copies may come: a lease for the takeover, then what was under way, on a busy machine.
AFTERMATH = 2 * LEASE + 2
# Long enough for the aftermath to end and for copies to be noticed after it.
CALM = AFTERMATH + 2
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(1 << 32))
CHOSEN = os.environ.get("CHAOS_FAULTS") or ",".join(FAULTS)
PATIENCE = 90


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    made = SmallDisk(512)
    yield made
    made.remove()


@pytest.fixture
def cluster(directory: Path, disk: SmallDisk) -> Iterator[Cluster]:
    """On the small disk where there is one."""
    made = Cluster(directory, disk.path if disk.is_mounted else None)
    try:
        made.start()
        yield made
    finally:
        disk.free()
        made.remove()


@pytest.fixture
def stage(cluster: Cluster, own_kafka: DevKafka, disk: SmallDisk, make_world) -> Stage:
    world: World = make_world(postgres=cluster, kafka=own_kafka)
    return Stage(world, cluster, own_kafka, disk if disk.is_mounted else None)


class Load:
    """Orders are opened, half by message and half by call, and every other one is settled, until `end`."""

    def __init__(self, world: World, client: Client):
        # What was acknowledged.
        self.opened: set[int] = set()
        self.settled: set[int] = set()
        self._world, self._client = world, client
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1)
        self._work = self._pool.submit(self._run)

    def _run(self) -> None:
        order = 0
        while not self._stop.is_set():
            orders = range(order + 1, order + 41)
            messages = [inventory_message(each) for each in orders[20:]]
            wait_until(lambda: self._push(messages), "messages are acknowledged", PATIENCE)
            for each in orders[:20]:
                self._until_answered(self._client.create, each)
                self.opened.add(each)
            for each in orders[::2]:
                answer = self._until_answered(self._client.settle, each)
                assert answer.status == COMPLETED, answer
                self.settled.add(each)
            self.opened |= set(orders[20:])
            order = orders[-1]

    def _push(self, messages: list[bytes]) -> bool:
        """Fails where the topic is denied; pushed again they are the same messages."""
        self._world.push(*messages)
        return True

    def _until_answered(self, call, order: int):
        """Calls again whatever was not answered: doing it twice is safe. A pushed order may not be there yet."""

        def attempt():
            try:
                return call(order, timeout=2, wait_for_ready=True)
            except grpc.RpcError as error:
                assert error.code() in AGAIN, f"order {order}: {error.code()} {error.details()}"
                return None

        return wait_until(attempt, f"{call.__name__} of order {order} is answered", PATIENCE)

    def end(self) -> None:
        self._stop.set()
        self._work.result(timeout=2 * PATIENCE)
        self._pool.shutdown()

    def check(self) -> None:
        """What was acknowledged is in the tables."""
        rows = dict(self._world.sql("SELECT order_id, status::text FROM payment"))
        assert self.opened <= set(rows), f"lost: {sorted(self.opened - set(rows))[:5]}"
        changed = [order for order in self.settled if rows[order] != "COMPLETED"]
        assert not changed, f"settled, and no more: {changed[:5]}"


AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.NOT_FOUND)


@pytest.mark.timeout(300 + 3 * SECONDS)
def test_random_faults(stage: Stage):
    chance = random.Random(SEED)
    names = [name for name in possible(stage) if name in CHOSEN.split(",")]
    print(f"CHAOS_SEED={SEED} CHAOS={SECONDS:g}, faults: {', '.join(names)}")
    load = Load(stage.world, stage.world.client(stage.server))
    faults = Faults(AFTERMATH)
    happened: Counter[str] = Counter()
    # Each in turn first: a short run has them all, too.
    plan = chance.sample(names, len(names))
    began = time.monotonic()
    while plan or time.monotonic() - began < SECONDS:
        round_began = time.monotonic()
        while time.monotonic() - round_began < ROUND and (plan or time.monotonic() - began < SECONDS):
            time.sleep(chance.uniform(0.1, 1))
            name = plan.pop() if plan else chance.choice(names)
            print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
            with faults.during():
                FAULTS[name](stage, chance)
            happened[name] += 1
        for program in stage.programs:
            program.wait_ready(PATIENCE)
        time.sleep(CALM)
    load.end()
    stage.world.wait_until_published(timeout=PATIENCE)
    load.check()
    verdict = oracle.check(stage.world, timeout=PATIENCE, faults=faults)
    print(f"{verdict} after {dict(happened)}")
    assert verdict.payments >= 40 and verdict.events == verdict.payments + len(load.settled)
    assert set(happened) == set(names), happened
