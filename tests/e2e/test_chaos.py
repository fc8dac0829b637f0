"""Two relays killed, paused and cut off at random under load: every event arrives, in order, copies only around faults."""

import os
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit, urlunsplit

import pytest

from harness import oracle
from harness.audit import Faults
from harness.forwarder import Forwarder
from harness.process import Program
from harness.rpc import Client
from harness.waiting import wait_until
from harness.world import World

# Seconds of faults; longer by CHAOS=60, as a release is tried.
SECONDS = float(os.environ.get("CHAOS", "12"))
# After so many seconds of faults comes a calm, in which the load goes on.
ROUND = 15.0
LEASE = 2.0
# How long after a fault copies may come: a lease for the takeover, then what was under way, on a busy machine.
AFTERMATH = 2 * LEASE + 2
# Long enough for the aftermath to end and for copies to be noticed after it.
CALM = AFTERMATH + 3
SEED = int(os.environ.get("CHAOS_SEED", str(random.randrange(1 << 32))))


@pytest.fixture
def forwarders(world: World):
    server = urlsplit(world.dsn)
    made = [Forwarder(server.hostname, server.port) for _ in range(2)]
    yield made
    for each in made:
        each.close()


class Load:
    """Orders are opened and every other one is settled, on a thread, until `end`."""

    def __init__(self, world: World, client: Client):
        self.settled: list[int] = []
        self._world, self._client = world, client
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1)
        self._work = self._pool.submit(self._run)

    def _run(self) -> None:
        order = 0
        while not self._stop.is_set():
            orders = range(order + 1, order + 41)
            self._world.push_orders(orders)
            wait_until(lambda: self._world.count_payments() == orders[-1], "the payments are open", 60)
            for each in orders[::2]:
                self._client.settle(each)
                self.settled.append(each)
            order = orders[-1]

    def end(self) -> None:
        self._stop.set()
        self._work.result(timeout=120)
        self._pool.shutdown()


def break_something(chance: random.Random, relay: Program, forwarder: Forwarder) -> str:
    """Kills, pauses or cuts off, and lets it come back."""
    fault = chance.choice(["kill", "pause", "cut"])
    if fault == "kill":
        relay.kill()
        time.sleep(chance.uniform(0, 1))
        relay.start()
    elif fault == "pause":
        relay.send(signal.SIGSTOP)
        time.sleep(chance.uniform(0.1, 2 * LEASE))
        relay.send(signal.SIGCONT)
    else:
        forwarder.cut()
        time.sleep(chance.uniform(0.1, 3))
        forwarder.mend()
    return fault


@pytest.mark.timeout(300 + 2 * SECONDS)
def test_two_relays_under_random_faults(world: World, forwarders: list[Forwarder]):
    print(f"CHAOS_SEED={SEED}")
    chance = random.Random(SEED)
    parts = urlsplit(world.dsn)

    def through(forwarder: Forwarder) -> str:
        return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{forwarder.port}"))

    server = world.server(CRON_ENABLED="false")
    world.consumer()
    relays = [world.cron(DB_DSN=through(forwarder), CRON_RESERVE=f"{LEASE:g}s") for forwarder in forwarders]
    load = Load(world, world.client(server))
    faults = Faults(AFTERMATH)
    happened: Counter[str] = Counter()
    left = SECONDS
    while left > 0:
        began = time.monotonic()
        while time.monotonic() - began < min(ROUND, left):
            time.sleep(chance.uniform(0.2, 1.5))
            victim = chance.randrange(2)
            with faults.during():
                happened[break_something(chance, relays[victim], forwarders[victim])] += 1
        left -= ROUND
        time.sleep(CALM)
    load.end()
    for relay in relays:
        relay.wait_ready()
    world.wait_until_published(timeout=60)
    verdict = oracle.check(world, timeout=60, faults=faults)
    print(f"{verdict} after {dict(happened)}")
    assert verdict.payments >= 40 and verdict.events == verdict.payments + len(load.settled)
    assert happened.total() >= SECONDS // 6, happened
