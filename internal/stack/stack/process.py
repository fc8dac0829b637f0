"""Processes of ours: started in the background with a pid file, found again, stopped.

A pid file holds "PID START BOOT FILE": START is when the kernel says the process began (clock ticks since boot), BOOT
the kernel's id of this boot. A recycled pid has another START, a reboot another BOOT, so no stranger is ever signalled.
FILE tells which executable it was started from: the programs keep other users, and their own, from asking the kernel.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .console import detail, wait_until

LOG_LIMIT = 20_000_000


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def parse_start_time(stat: str) -> int | None:
    """The start time in /proc/PID/stat; None for a zombie."""
    # The command name may hold blanks and parentheses: what counts comes after the last one.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def start_time(pid: int) -> int | None:
    """When the process began; None when there is none, or a zombie only."""
    try:
        return parse_start_time(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return None


def file_state(path: str) -> str:
    """What changes when an executable is built anew; nothing for one that is not there."""
    try:
        found = os.stat(shutil.which(path) or path)
    except OSError:
        return "-"
    return f"{found.st_dev}:{found.st_ino}:{found.st_mtime_ns}"


class Process:
    """The process that a pid file names."""

    def __init__(self, name: str, run_dir: Path, log_dir: Path) -> None:
        self.name = name
        self.pid_file = run_dir / f"{name}.pid"
        self.log = log_dir / f"{name}.log"

    def pid(self) -> int | None:
        """Its pid while it runs."""
        try:
            pid, start, boot, *_ = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        if boot != boot_id() or str(start_time(int(pid))) != start:
            return None
        return int(pid)

    def is_running(self) -> bool:
        return self.pid() is not None

    def runs_older_build(self, path: str) -> bool:
        """Whether the executable was built anew since the process was started from it."""
        try:
            *_, state = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return False
        return ":" in state and state != file_state(path)

    def launch(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        """Starts `command` in a session of its own, with its output in the log and no descriptor of ours."""
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_name(f"{self.log.name}.1"))
        state = file_state(command[0])  # before the start: what is built meanwhile is newer
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                cwd="/",  # the user it runs as may not be allowed into the checkout
                env=environment)
        self.pid_file.write_text(f"{child.pid} {start_time(child.pid) or 0} {boot_id()} {state}\n")
        child.returncode = 0  # it outlives us: no warning about a child that still runs

    def send(self, number: signal.Signals) -> None:
        # The pid is looked up again for each signal: between two signals it may have ended and been recycled.
        pid = self.pid()
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def stop(self, soft: signal.Signals, seconds: float, hard: signal.Signals) -> None:
        """Sends `soft`, and `hard` when it has not ended after `seconds`."""
        pid = self.pid()
        if pid is not None:
            self.send(soft)
            waiting = f"{self.name} (pid {pid}) is stopping"
            if not wait_until(seconds, waiting, self.log, lambda: not self.is_running()):
                detail(f"{self.name} did not stop within {seconds:g} s: sending {hard.name}")
                self.send(hard)
                wait_until(10, waiting, self.log, lambda: not self.is_running())
        if self.pid_file.exists():
            detail(f"{self.name} stopped")
            self.pid_file.unlink()
