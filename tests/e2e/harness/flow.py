"""Inventory messages that keep coming while a test does something else."""

import threading
from collections import deque
from typing import Iterator

from .topics import produce
from .waiting import wait_until
from .world import World, inventory_message


class Flow:
    """Some hundred orders a second, 1, 2, 3 and so on: each comes twice at once, and once more half a second later."""

    def __init__(self, world: World):
        self._world = world
        self.orders = 0
        self._problem: BaseException | None = None
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            produce(self._world.broker.brokers, self._world.inventory, self._records())
        except BaseException as error:  # noqa: BLE001 - whoever ends the flow hears of it
            self._problem = error

    def _records(self) -> Iterator[tuple[bytes, bytes]]:
        later: deque[tuple[bytes, bytes]] = deque()
        while not self._is_ending.wait(0.003):
            order = self.orders + 1
            record = (str(order).encode(), inventory_message(order))
            yield from (record, record)
            self.orders = order
            later.append(record)
            if len(later) > 100:
                yield later.popleft()
        yield from later

    def passes(self, timeout: float = 15) -> None:
        """Waits until what is under way now has become payments."""
        sent = self.orders
        wait_until(
            lambda: self._world.value("SELECT count(*) FROM payment WHERE order_id <= %s", sent) == sent,
            f"the first {sent} orders have payments", timeout)

    def end(self) -> None:
        self._is_ending.set()
        self._thread.join(15)
        assert not self._thread.is_alive() and self._problem is None, self._problem
