"""A backlog of events that becomes visible at once, and the time that relays need to drain it."""

import math
import threading
import time
from dataclasses import dataclass, field

from harness.process import Program

from .bench import PARTITIONS, Bench, connect, messages_on, wait_for
from .sql import WAITING

WARM_UP = 1_000


@dataclass
class Drain:
    """The result of one backlog."""

    events: int
    seconds: float
    # (seconds since the start of the load, resident MiB of each program)
    memory: list[tuple[float, list[float]]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.events / self.seconds


class MemoryWatch(threading.Thread):
    """Notes the resident memory of programs five times a second."""

    def __init__(self, programs: list[Program]):
        super().__init__(daemon=True)
        self.samples: list[tuple[float, list[float]]] = []
        self._programs, self._ending = programs, threading.Event()
        self._began = time.monotonic()
        self.start()

    def run(self) -> None:
        while not self._ending.wait(0.2):
            now = time.monotonic() - self._began
            self.samples.append((now, [program.resident_kib() / 1024 for program in self._programs]))

    def end(self) -> list[tuple[float, list[float]]]:
        self._ending.set()
        self.join()
        return self.samples


def drain(bench: Bench, events: int, programs: tuple[str, ...] = ("payments-cron",), **settings: str) -> Drain:
    """The relays are up, have shared out the shards and published to every partition when one commit shows all events.

    The clock is the database's: from after that commit to the last `done_at`. Ends with a look at the topic: as many
    messages as events.
    """
    if len(programs) > 1:
        # Shares move when leases are renewed, a third of their time after they were taken.
        settings.setdefault("CRON_RESERVE", "6s")
    with bench.database() as dsn, bench.broker(payment=PARTITIONS) as broker, connect(dsn) as connection:
        with bench.programs(*programs, dsn=dsn, broker=broker, **settings) as relays:
            def published() -> float:
                return sum(relay.metric("paysaga_outbox_published_total") for relay in relays)

            wait_for(lambda: _is_shared(connection, len(relays)), 60)
            # A producer's first message waits for the metadata of its topic, most of a second.
            connection.execute(WAITING, [events + 1, events + WARM_UP])
            connection.execute("NOTIFY paysaga_outbox")
            wait_for(lambda: published() >= WARM_UP, 60)
            with connection.transaction():
                connection.execute(WAITING, [1, events])
                connection.execute("NOTIFY paysaga_outbox")
                watch = MemoryWatch(relays)
            began = connection.execute("SELECT clock_timestamp()").fetchone()[0]
            wait_for(lambda: published() >= events + WARM_UP, 600, 0.1)
            memory = watch.end()
            ended, count = connection.execute("SELECT max(done_at), count(*) FROM event_done").fetchone()
            assert count == events + WARM_UP, f"{count - WARM_UP} of {events} events are DONE"
            found = messages_on(broker.brokers, "payment")
            assert found == count, f"{found} messages on the topic for {count} events"
    return Drain(events, (ended - began).total_seconds(), memory)


def _is_shared(connection, relays: int) -> bool:
    rows = connection.execute("SELECT owner, count(*) FROM event_shard GROUP BY owner").fetchall()
    return len(rows) == relays and all(owner and count <= math.ceil(64 / relays) for owner, count in rows)
