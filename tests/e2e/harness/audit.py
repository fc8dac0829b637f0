"""`paysaga audit` as a witness, and the other commands of the command line."""

import json
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Iterator

from .process import BINARIES
from .world import World

KINDS = ("missing", "duplicate", "order", "unknown", "differs", "state", "no_event", "no_payment", "gap",
         "unreadable")


@dataclass
class Answer:
    status: int
    lines: list[dict]
    error: str

    @property
    def only(self) -> dict:
        assert len(self.lines) == 1, self
        return self.lines[0]


def paysaga(world: World, *words: str, **settings: str) -> Answer:
    done = subprocess.run(
        [BINARIES / "paysaga", *words, "--json"], env=world.environment(**settings), capture_output=True, text=True,
        timeout=120, cwd="/")
    return Answer(done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


def audit(world: World, *options: str) -> Answer:
    return paysaga(world, "audit", *options)


def found(report: dict) -> dict[str, int]:
    """The kinds of disagreement that there are."""
    return {kind: report[kind] for kind in KINDS if report[kind]}


@dataclass
class Faults:
    """When programs were killed, paused or cut off, in seconds since 1970.

    `aftermath` is how long after a fault copies may still be published: a lease for the takeover, the delivery of what
    was under way, and what a busy machine adds.
    """

    aftermath: float
    times: list[tuple[float, float]] = field(default_factory=list)

    @contextmanager
    def during(self) -> Iterator[None]:
        began = time.time()
        try:
            yield
        finally:
            self.times.append((began, time.time()))

    def explain(self, moment: float) -> bool:
        # Messages carry milliseconds.
        return any(began - 0.001 <= moment <= ended + self.aftermath for began, ended in self.times)


def check(world: World, faults: Faults | None = None, copies_allowed: bool = False) -> dict:
    """Every event is on the topic, in order; copies are there only around the faults, or wherever they are allowed."""
    answer = audit(world, "--limit", "100000", "--allow-duplicates")
    assert answer.status == 0, answer
    report = answer.only
    assert set(found(report)) <= {"duplicate"} and report["pending"] == 0, report
    if copies_allowed:
        return report
    stray = [
        copy for copy in report["offenders"]
        if not faults or not faults.explain(datetime.fromisoformat(copy["written_at"]).timestamp())]
    assert not stray, f"{len(stray)} of {report['duplicate']} copies without a fault nearby: {stray[:3]}, {faults}"
    return report
