"""A command on a terminal of its own: a pseudo-terminal whose screen is followed."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time

from .process import BINARIES
from .waiting import wait_until
from .world import World

SEQUENCE = re.compile(rb"\x1b\[([?\d;]*)([A-Za-z])")


class Terminal:
    """`paysaga` with these words on a terminal. A page begins at the upper left corner, as `top` draws it."""

    def __init__(self, world: World, *words: str, columns: int = 80, lines: int = 24, **settings: str):
        self._master, self.slave = pty.openpty()
        self.resize(columns, lines)
        self.modes_before = termios.tcgetattr(self.slave)
        self.raw = b""

        # By a program of its own: a function between fork and exec makes gRPC's handlers of forks run, too, and now and
        # then one of them ends the child.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", BINARIES / "paysaga", *words], env=world.environment(**settings) | {"TERM": "xterm"},
            stdin=self.slave, stdout=self.slave, stderr=self.slave, cwd="/")
        os.set_blocking(self._master, False)

    def resize(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self) -> bytes:
        """What was written so far."""
        try:
            while data := os.read(self._master, 65536):
                self.raw += data
        except BlockingIOError:
            pass
        return self.raw

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def pages(self) -> list[list[str]]:
        """The pages that were drawn as a whole so far, which another one follows, without what moves the cursor."""
        whole = self.read().split(b"\x1b[H")[1:-1]
        return [[SEQUENCE.sub(b"", line).decode().rstrip("\r") for line in page.split(b"\n")] for page in whole]

    def await_page(self, text: str, timeout: float = 20) -> list[str]:
        def look():
            assert self.process.poll() is None, self.raw.decode(errors="replace")
            return next((page for page in reversed(self.pages()) if any(text in line for line in page)), None)

        return wait_until(look, f"a page with {text}", timeout)

    def wait(self, timeout: float = 15) -> int:
        """The exit status, once it has ended."""
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            self.read()
            time.sleep(0.02)
        self.read()
        assert self.process.returncode is not None, "it goes on"
        return self.process.returncode

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal is as it was: its modes, the first screen, a cursor, and wrapping."""
        last = {}
        for mode, switch in SEQUENCE.findall(self.read()):
            if mode.startswith(b"?"):
                last[mode] = switch
        return termios.tcgetattr(self.slave) == self.modes_before and last == {
            b"?1049": b"l", b"?25": b"h", b"?7": b"h"}

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._master)
        os.close(self.slave)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_) -> None:
        self.close()
