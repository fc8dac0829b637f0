"""What processes use: processor time and context switches, by /proc, and what a database writes."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import redis

from .bench import connect

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Sums so far."""

    cpu: float = 0  # s
    switches: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu + other.cpu, self.switches + other.switches)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu - other.cpu, self.switches - other.switches)


def of_process(pid: int, *, children: bool = False) -> Usage:
    """User and system time of a process, of its threads that ended too; the switches of those that live.

    With `children` the time of its children that have ended.
    """
    fields = _fields(pid)
    # utime, stime, cutime, cstime: proc(5).
    ticks = sum(int(field) for field in fields[11:15 if children else 13])
    switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            switches += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text())))
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has just ended
    return Usage(ticks / TICKS, switches)


def of_server(dsn: str) -> Usage:
    """The postmaster and its children; those that have ended without their switches."""
    with connect(dsn) as connection:
        [own] = connection.execute("SELECT pg_backend_pid()").fetchone()
        postmaster = int(_fields(own)[1])
        total = of_process(postmaster, children=True)
        for child in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split():
            try:
                total += of_process(int(child))
            except (FileNotFoundError, ProcessLookupError):
                pass  # ended meanwhile
        return total


@dataclass(frozen=True)
class Written:
    """Bytes so far."""

    wal: int
    disk: int

    def __sub__(self, other: "Written") -> "Written":
        return Written(self.wal - other.wal, self.disk - other.disk)


def written(dsn: str) -> Written:
    """The log of the server, and the files of the database without the room of moved events, which later events use.

    Vacuums after it has read the log: what starts a measurement with it counts that vacuum's log, and its end does not.
    """
    with connect(dsn) as connection:
        [wal] = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
        connection.execute("VACUUM event_wait")
        [disk] = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return Written(wal, disk)


def _fields(pid: int) -> list[str]:
    """Those of /proc/PID/stat behind the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def of_redis(dsn: str) -> Usage:
    """A Redis, as it tells itself."""
    with redis.Redis.from_url(dsn) as client:
        cpu = client.info("cpu")
        return Usage(cpu["used_cpu_sys"] + cpu["used_cpu_user"])
