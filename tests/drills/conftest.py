"""Fixtures of the drills: those of the end to end tests, and what keeps the transcripts."""

import os
from pathlib import Path
from typing import Callable, Iterator

import pytest

from drill import Drill

pytest_plugins = ["harness.fixtures"]


@pytest.fixture
def make_drill(request: pytest.FixtureRequest) -> Iterator[Callable[..., Drill]]:
    """Makes the drill of a test; its transcript is kept in the directory that DRILLS names."""
    made: list[Drill] = []

    def make(*arguments, **options) -> Drill:
        made.append(Drill(*arguments, **options))
        return made[-1]

    yield make
    folder = os.environ.get("DRILLS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for drill in made:
            Path(folder, f"{request.node.name.removeprefix('test_')}.md").write_text(drill.transcript())
