"""Waiting for conditions. Nothing here or in the tests sleeps for a fixed time and hopes."""

import socket
import time
from typing import Callable, TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, timeout: float = 20.0, interval: float = 0.02) -> T:
    """Polls until `condition` gives something truthy, and returns that; fails with `what` at the deadline.

    What the condition raises counts as not yet; the last of it is told at the deadline.
    """
    deadline = time.monotonic() + timeout
    while True:
        problem: object
        try:
            value = condition()
            if value:
                return value
            problem = f"last value: {value!r}"
        except Exception as error:  # noqa: BLE001 - anything may be wrong while things start
            problem = f"last error: {error!r}"
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout:g} s: {what} ({problem})")
        time.sleep(interval)


def holds_for(condition: Callable[[], bool], what: str, seconds: float, interval: float = 0.05) -> None:
    """Checks that `condition` stays true for that long; for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), what
        time.sleep(interval)


def refuses_connections(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
