"""Baselines that several benchmarks share."""

import time

from .bench import Bench, connect
from .sql import CREATE_PROCEDURE


def create_by_sql(bench: Bench, count: int) -> float:
    """Payments a second, with their events, written by a loop inside the database, 1,000 per batch, with a COMMIT per batch."""
    with bench.database() as dsn, connect(dsn) as connection:
        connection.execute(CREATE_PROCEDURE)
        began = time.monotonic()
        connection.execute(f"CALL bench_create({count}, 1000)")
        return count / (time.monotonic() - began)
