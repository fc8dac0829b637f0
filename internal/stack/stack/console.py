"""Messages, and waiting with progress.

Messages go to stderr: stdout belongs to what a caller may want to evaluate.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path


class Failure(Exception):
    """Something the user has to know: what was expected, what was found, what to do."""


class Ended(Exception):
    """Waiting is pointless: the process that was waited for has ended."""


def say(text: str = "") -> None:
    print(text, file=sys.stderr, flush=True)


def heading(text: str) -> None:
    say(f"==> {text}")


def detail(text: str) -> None:
    say(f"    {text}")


def last_lines(log: Path, count: int = 20) -> None:
    """Shows the end of a log."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    if not lines:
        detail(f"{log} is empty")
        return
    detail(f"the last lines of {log}:")
    for line in lines:
        detail(f"| {line}")


def wait_until(limit: float, what: str, log: Path, condition: Callable[[], bool]) -> bool:
    """Polls `condition` five times a second. On a terminal one line shows the time, elsewhere a line every ten seconds.

    Returns False after `limit` seconds, or as soon as `condition` raises `Ended`; both show the end of `log`.
    """
    began = time.monotonic()
    shown = 0
    terminal = sys.stderr.isatty()
    try:
        while True:
            if condition():
                return True
            elapsed = int(time.monotonic() - began)
            if elapsed >= limit:
                problem = f"not there after {elapsed} s"
                break
            if terminal:
                print(f"\r    {what} … {elapsed}s ", end="", file=sys.stderr, flush=True)
            elif elapsed > shown and elapsed % 10 == 0:
                detail(f"{what} … {elapsed}s")
                shown = elapsed
            time.sleep(0.2)
    except Ended:
        problem = "the process ended"
    finally:
        if terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    say(f"error: {what}: {problem}")
    last_lines(log)
    return False
