"""One order, then direct payments, through the running stack, step by step, each command shown before it runs. ORDER
chooses the order (default: one nobody used yet). Ends with an error unless everything happened.
"""

import time

from .console import Failure, detail, heading, say
from .direct_demo import DirectDemo
from .scene import Scene, typed
from .stack import Stack

HIGHEST = 2**63 - 1


def order_number(text: str | None) -> int:
    if not text:
        return int(time.time())
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST):
        raise Failure(f"ORDER is '{text}'; it must be a number from 1 to {HIGHEST}")
    return int(text)


class SagaDemo:
    """An order from its inventory message to its settled payment."""

    def __init__(self, scene: Scene, order: int) -> None:
        self.scene = scene
        self.order = str(order)
        self.states = ""
        self.messages: list[str] = []

    def run(self) -> None:
        scene = self.scene
        order = ["--order", self.order]
        events = ["-c", "SELECT seq, status, reserved_to, created_at, done_at FROM event"
                        f" WHERE key = '{self.order}' ORDER BY seq"]
        if scene.quietly([*scene.paysaga, "get", *order])[0]:
            raise Failure(f"order {self.order} has a payment already: choose another ORDER, or none")
        heading(f"1. the inventory service says: the goods of order {self.order} are reserved")
        scene.show([*scene.paysaga, "push", *order])
        heading("2. the consumer opens exactly one payment")
        scene.wait_for(f"the payment of order {self.order}", "payments-consumer", lambda: scene.quietly([*scene.paysaga, "get", *order])[0])
        scene.show([*scene.paysaga, "get", *order])
        heading("3. its event waits in the outbox until the relay has published it: WAIT, then DONE")
        scene.wait_for(f"the event of order {self.order} to be DONE", "payments-server", lambda: self._events_done(1))
        scene.show([*scene.psql, *events])
        heading("4. a caller settles the payment over gRPC")
        scene.show([*scene.paysaga, "pay", *order])
        scene.wait_for(f"the second event of order {self.order} to be DONE", "payments-server", lambda: self._events_done(2))
        scene.show([*scene.psql, *events])
        heading("5. the rest of the saga reads what happened, in order")
        scene.wait_for(f"both messages of order {self.order}", "payments-server", self._both_messages)
        say("\n" + typed(scene.topic, f" | grep ^{self.order}"))
        print("\n".join(self.messages), flush=True)

    def _events_done(self, count: int) -> bool:
        """Whether that many events are DONE. Every state seen on the way is printed once."""
        _, states = self.scene.quietly([
            *self.scene.psql, "-Atc",
            f"SELECT string_agg(seq || ' ' || status, ', ' ORDER BY seq) FROM event WHERE key = '{self.order}'"])
        states = states.strip()
        if states and states != self.states:
            self.states = states
            detail(f"events: {states}")
        return states.count("DONE") == count

    def _both_messages(self) -> bool:
        _, output = self.scene.quietly(self.scene.topic)
        self.messages = [line for line in output.splitlines() if line.startswith(f"{self.order} ")]
        return len(self.messages) >= 2


def run(stack: Stack, kind: str) -> None:
    order = order_number(stack.environment.get("ORDER"))
    scene = Scene(stack, kind)
    SagaDemo(scene, order).run()
    direct = DirectDemo(scene, order)
    direct.run()
    heading("11. the audit compares topics and tables: nothing lost, doubled or out of order, and no cent astray")
    if scene.audit_since is not None:
        detail(f"devkafka keeps messages in memory only and was restarted at {scene.audit_since}: events published")
        detail("before then are DONE in PostgreSQL and gone from the topics, so the audit begins there")
    scene.show([*scene.paysaga, "audit", *(["--since", scene.audit_since] if scene.audit_since else [])])
    say(f"\ndemo: order {order} went through, and so did five direct payments, of which the bank has charged four, once each")
    say("\nOpen next:")
    for address in direct.addresses:
        say(f"  {address}")
