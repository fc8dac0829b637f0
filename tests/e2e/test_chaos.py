"""Two relays killed, paused and cut off at random under load: every event arrives, in order."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit, urlunsplit

import pytest

from harness import oracle
from harness.forwarder import Forwarder
from harness.waiting import wait_until
from harness.world import World

# Longer by CHAOS=60, as a release is tried.
SECONDS = float(os.environ.get("CHAOS", "15"))
SEED = int(os.environ.get("CHAOS_SEED", str(random.randrange(1 << 32))))


@pytest.fixture
def forwarders(world: World):
    server = urlsplit(world.dsn)
    made = [Forwarder(server.hostname, server.port) for _ in range(2)]
    yield made
    for each in made:
        each.close()


def test_two_relays_under_random_faults(world: World, forwarders: list[Forwarder]):
    print(f"CHAOS_SEED={SEED}")
    chance = random.Random(SEED)
    parts = urlsplit(world.dsn)

    def through(forwarder: Forwarder) -> str:
        return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{forwarder.port}"))

    server = world.server(CRON_ENABLED="false")
    world.consumer()
    relays = [world.cron(DB_DSN=through(forwarder), CRON_RESERVE="2s") for forwarder in forwarders]
    client = world.client(server)
    stop = Event()
    settled = []

    def load():
        order = 0
        while not stop.is_set():
            orders = range(order + 1, order + 41)
            world.push_orders(orders)
            wait_until(lambda: world.count_payments() == orders[-1], "the payments are open", 60)
            for each in orders[::2]:
                client.settle(each)
                settled.append(each)
            order = orders[-1]

    pool = ThreadPoolExecutor(1)
    loader = pool.submit(load)
    faults = {"kill": 0, "pause": 0, "cut": 0}
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.2, 1.5))
        victim = chance.randrange(2)
        relay, forwarder = relays[victim], forwarders[victim]
        fault = chance.choice(list(faults))
        faults[fault] += 1
        if fault == "kill":
            relay.kill()
            time.sleep(chance.uniform(0, 1))
            relay.start()
        elif fault == "pause":
            # Up to twice the lease.
            relay.send(signal.SIGSTOP)
            time.sleep(chance.uniform(0.1, 4))
            relay.send(signal.SIGCONT)
        else:
            forwarder.cut()
            time.sleep(chance.uniform(0.1, 3))
            forwarder.mend()
    stop.set()
    loader.result(timeout=120)
    pool.shutdown()
    for relay in relays:
        relay.wait_ready()
    world.wait_until_published(timeout=60)
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    assert verdict.payments >= 40 and verdict.events == verdict.payments + len(settled)
    assert sum(faults.values()) >= 5, faults
