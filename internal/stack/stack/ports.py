"""TCP ports of this machine: who listens, and which are free. Reads /proc, so it needs no package."""

import os
import pwd
import random
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from .console import Failure

LISTEN = "0A"


class Listener(NamedTuple):
    uid: int
    inode: int


def parse_listeners(table: str) -> dict[int, Listener]:
    """The listening sockets of /proc/net/tcp or tcp6, by port."""
    found: dict[int, Listener] = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != LISTEN:
            continue
        port = int(fields[1].rpartition(":")[2], 16)
        found.setdefault(port, Listener(int(fields[7]), int(fields[9])))
    return found


def listeners() -> dict[int, Listener]:
    found: dict[int, Listener] = {}
    for name in ("tcp6", "tcp"):
        try:
            found |= parse_listeners(Path("/proc/net", name).read_text())
        except OSError:  # no IPv6
            continue
    return found


def is_taken(port: int) -> bool:
    return port in listeners()


def holder(listener: Listener) -> str:
    """Process and owner of a listening socket as far as this user may see them, or the owner alone."""
    try:
        owner = pwd.getpwuid(listener.uid).pw_name
    except KeyError:
        owner = str(listener.uid)
    wanted = f"socket:[{listener.inode}]"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(link) == wanted for link in (process / "fd").iterdir()):
                return f"process {process.name} ({(process / 'comm').read_text().strip()}) of user {owner}"
        except OSError:  # it has ended, or is somebody else's
            continue
    return f"a process of user {owner}"


class Wanted(NamedTuple):
    """A port that something is about to listen on."""

    port: int
    what: str
    variable: str


def conflicts(wanted: Iterable[Wanted], taken: dict[int, Listener]) -> list[str]:
    """A line for each wanted port that somebody holds, or that is wanted twice."""
    problems = []
    seen: dict[int, Wanted] = {}
    for each in wanted:
        if each.port in seen:
            other = seen[each.port]
            problems.append(f"port {each.port} is chosen for {other.what} ({other.variable}) and {each.what}"
                            f" ({each.variable})")
        elif each.port in taken:
            problems.append(f"port {each.port} for {each.what} ({each.variable}) is held by"
                            f" {holder(taken[each.port])}")
        seen.setdefault(each.port, each)
    return problems


def require_free(wanted: Iterable[Wanted]) -> None:
    """Ends the run with every port that cannot be had. Nothing is ever stopped for it."""
    problems = conflicts(wanted, listeners())
    if problems:
        raise Failure("\n  ".join(["the stack cannot listen where it should, and nothing was touched:", *problems])
                      + "\nstop what holds them, choose other ports by these variables, or let `make up PORTS=free`"
                      " choose (`stack.sh` with PORTS=free)")


def pick_free(count: int, avoid: Collection[int] = ()) -> list[int]:
    """Ports nobody listens on, below the range from which the kernel hands out ports to clients."""
    used = {*avoid, *listeners()}
    free = [port for port in random.sample(range(15000, 32000), 2000) if port not in used]
    if len(free) < count:
        raise Failure("found too few free ports between 15000 and 32000")
    return free[:count]
