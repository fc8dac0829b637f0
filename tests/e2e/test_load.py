"""A load pushed at once through all programs. LOAD sets how many messages; 2,000 unless told otherwise."""

import os
import signal
import threading
import time

import pytest

from harness import oracle
from harness.process import Program
from harness.rpc import COMPLETED, Client, payments
from harness.topics import produce
from harness.waiting import wait_until
from harness.world import World, inventory_message

LOAD = int(os.environ.get("LOAD", "2000"))
# A program that handles this many messages a second is not what is tested here.
PATIENCE = 60 + LOAD / 500
MEMORY_LIMIT_KIB = 128 * 1024
SETTLED_EACH = 10


class MemoryWatch:
    """The most memory each program had, over all its lives."""

    def __init__(self, programs: list[Program]):
        self.programs = programs
        self.most: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(0.05):
            for program in self.programs:
                try:
                    peak = program.resident_kib("VmHWM")
                except (AssertionError, OSError):
                    continue  # between two lives
                self.most[program.name] = max(peak, self.most.get(program.name, 0))

    def check(self) -> None:
        self._stopping.set()
        self._thread.join()
        assert set(self.most) == {program.name for program in self.programs}
        print("peak resident memory, MiB:", {name: round(kib / 1024, 1) for name, kib in self.most.items()})
        over = {name: kib for name, kib in self.most.items() if kib > MEMORY_LIMIT_KIB}
        assert not over, f"more than {MEMORY_LIMIT_KIB} KiB: {over}"


def settle_some(client: Client, orders: range, problems: list) -> None:
    """Settles orders as soon as they have a payment, calling again while the server is away."""
    deadline = time.monotonic() + PATIENCE
    rest = list(orders)
    while rest and time.monotonic() < deadline:
        calls = [
            (order, client.payments.UpdatePaymentStatus.future(
                payments.UpdatePaymentStatusRequest(order_id=order, status=COMPLETED), timeout=20,
                wait_for_ready=True))
            for order in rest[:500]
        ]
        again = [order for order, call in calls if call.exception() is not None]
        rest = rest[500:] + again
        if again:
            time.sleep(0.05)  # most have no payment yet
    problems += rest


@pytest.mark.slow
@pytest.mark.timeout(120 + 4 * PATIENCE)
@pytest.mark.parametrize("stop", [None, signal.SIGTERM, signal.SIGKILL], ids=["undisturbed", "stopped", "killed"])
def test_a_load(make_world, stop: signal.Signals | None):
    world: World = make_world(partitions=8)
    # A lease as long as in production, unless its end is waited for: under a load a short one may be lost, which may
    # cost copies.
    quiet = {"LOG_LEVEL": "info", "CRON_RESERVE": "5s" if stop == signal.SIGKILL else "30s"}
    server = world.program("payments-server", **quiet).start().wait_ready()
    consumer = world.program("payments-consumer", **quiet).start().wait_ready()
    cron = world.program("payments-cron", **quiet).start().wait_ready()
    programs = [server, consumer, cron]
    memory = MemoryWatch(programs)
    assert world.events.catch_up() == []

    settled = range(SETTLED_EACH, LOAD + 1, SETTLED_EACH)
    unsettled: list[int] = []
    settler = threading.Thread(target=settle_some, args=(world.client(server), settled, unsettled), daemon=True)
    began = time.monotonic()
    produce(
        world.broker.brokers, world.inventory,
        ((str(order).encode(), inventory_message(order)) for order in range(1, LOAD + 1)))
    settler.start()
    if stop is not None:
        for part in (0.2, 0.6):
            goal = int(LOAD * part)
            wait_until(lambda: world.events.count >= goal, f"{goal} events on the topic", PATIENCE, interval=0.005)
            for program in programs:
                program.send(stop)
            for program in programs:
                code = program.wait(30)
                assert code == (0 if stop == signal.SIGTERM else -signal.SIGKILL), f"{program.name}: {code}"
            for program in programs:
                program.start()
            for program in programs:
                assert program.admin_port  # before that, SIGTERM may find the program without its handlers
    world.wait_for_payments(LOAD, timeout=PATIENCE)
    settler.join(PATIENCE)
    assert not settler.is_alive() and not unsettled, f"{len(unsettled)} orders could not be settled"
    expected = LOAD + len(settled)
    world.wait_until_published(expected, timeout=PATIENCE)
    took = time.monotonic() - began
    wait_until(lambda: world.lag() == 0, "every inventory message is committed", PATIENCE)
    memory.check()
    verdict = oracle.check(world, duplicates_allowed=stop == signal.SIGKILL, timeout=PATIENCE)
    print(f"{LOAD} messages, {expected} events in {took:.1f} s; {verdict}")
    assert (verdict.payments, verdict.events) == (LOAD, expected)
    assert world.reader(world.dead_letters).catch_up() == []
