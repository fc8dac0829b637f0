"""One stack: its folders, its ports, and the record of what this checkout started."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import ports as machine
from . import roles
from .console import Failure, detail
from .process import Process
from .table import DEVKAFKA, PARTS, POSTGRES, PROGRAMS, Part, Port, Program, settings

ROOT = Path(__file__).resolve().parents[3]
ALL_PORTS: tuple[Port, ...] = tuple(port for part in PARTS for port in part.ports)


def read_port(name: str, text: str) -> int | None:
    if text == "":
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise Failure(f"{name} is '{text}'; it must be a port from 1 to 65535")
    return int(text)


class Stack:
    """Everything a stack writes lies in one folder, so tests can have a stack of their own beside the developer's."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self.environment = environment
        self.dir = Path(os.path.abspath(environment.get("STACK_DIR") or ROOT / ".local"))
        self.bin = Path(os.path.abspath(environment.get("STACK_BIN") or ROOT / ".build/release"))
        self.config = Path(os.path.abspath(environment.get("STACK_CONFIG") or ROOT / "config/local.env"))
        self.run_dir = self.dir / "run"
        self.log_dir = self.dir / "log"
        self.files_dir = self.dir / "files"
        self.record_file = self.dir / "stack.json"
        self.passwords_file = self.dir / "passwords.json"
        self.ports: dict[str, int | None] = {}
        self._choose_ports()

    # -- Ports

    def _choose_ports(self) -> None:
        """What runs keeps the ports it was started with; otherwise the variables decide, then the table."""
        recorded = self.record().get("ports", {})
        for part in PARTS:
            is_running = self.process(part).is_running()
            for port in part.ports:
                if is_running and port.variable in recorded:
                    self.ports[port.variable] = recorded[port.variable]
                elif port.variable in self.environment:
                    self.ports[port.variable] = read_port(port.variable, self.environment[port.variable])
                else:
                    self.ports[port.variable] = port.default

    def choose_free_ports(self) -> None:
        """Gives a free port to all that is not running, save where a variable names one."""
        self._give_free_ports(port.variable for part in PARTS if not self.process(part).is_running()
                              for port in part.ports
                              if port.default is not None and port.variable not in self.environment)

    def choose_all_ports(self, parts: tuple[Part, ...]) -> None:
        """Gives a free port to every listener of these, those that are off by default included."""
        self._give_free_ports(port.variable for part in parts if not self.process(part).is_running()
                              for port in part.ports)

    def _give_free_ports(self, variables: Iterable[str]) -> None:
        wanted = list(variables)
        chosen = [port for port in self.ports.values() if port is not None]
        self.ports |= zip(wanted, machine.pick_free(len(wanted), avoid=chosen))

    def require_free_ports(self, parts: tuple[Part, ...] = PARTS) -> None:
        """Checks the ports of all that is not running, together."""
        machine.require_free(
            machine.Wanted(number, port.what, port.variable)
            for part in parts if not self.process(part).is_running()
            for port in part.ports if (number := self.ports[port.variable]) is not None)

    def address(self, part: Part) -> str:
        return f"127.0.0.1:{self.ports[part.ports[0].variable]}"

    # -- Settings

    def settings(self) -> dict[str, str]:
        """For the command line: with the rights of the owners of the tables."""
        return {setting: self.dsn(role) for setting, role in roles.OWNERS.items()} | settings(self.ports)

    def program_settings(self, program: Program) -> dict[str, str]:
        """For one program: with its own roles, and no password of another."""
        return {setting: self.dsn(role) for setting, role in program.roles.items()} | settings(self.ports)

    def dsn(self, role: str) -> str:
        """The database as a role sees it; without a password before the role has one."""
        word = roles.read(self.passwords_file).get(role)
        login = role if word is None else f"{role}:{word}"
        return f"postgres://{login}@127.0.0.1:{self.ports[POSTGRES.ports[0].variable]}/payments?sslmode=disable"

    def password(self, role: str) -> str:
        self.dir.mkdir(parents=True, exist_ok=True)
        return roles.password(self.passwords_file, role)

    # -- Processes

    def process(self, part: Part) -> Process:
        return Process(part.name, self.run_dir, self.log_dir)

    def running(self) -> list[Part]:
        return [part for part in PARTS if self.process(part).is_running()]

    # -- The record

    def make_dirs(self) -> None:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.log_dir.mkdir(parents=True, exist_ok=True)

    def record(self) -> dict:
        try:
            found = json.loads(self.record_file.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_record(self, kind: str) -> None:
        """Notes what this checkout started, and where. The folder's inode tells a moved checkout from a copied one."""
        self.make_dirs()
        self.record_file.write_text(json.dumps(
            {"kind": kind, "path": str(self.dir), "inode": self.dir.stat().st_ino, "ports": self.ports}, indent=2) + "\n")

    def forget_record(self) -> None:
        self.record_file.unlink(missing_ok=True)

    def require_own(self) -> None:
        """Ends the run when the record came here with a copy of another checkout: its processes are that one's."""
        record = self.record()
        if record and record.get("path") != str(self.dir) and record.get("inode") != self.dir.stat().st_ino:
            raise Failure(f"{self.dir} is a copy of {record.get('path')}, whose stack this checkout did not start."
                          f" Nothing was touched: work there, or remove {self.dir}")

    def require_running(self, parts: tuple[Part, ...]) -> None:
        """Ends the run unless this checkout has started these and they run."""
        self.require_own()
        missing = [part for part in parts if not self.process(part).is_running()]
        if missing:
            names = ", ".join(part.name for part in missing)
            raise Failure("\n  ".join([f"this checkout has not started {names}: 'make up' first", *self.strangers()]))

    def strangers(self) -> list[str]:
        """What there is to say when others hold ports of ours: a line each."""
        taken = machine.listeners()
        held = [f"port {number} ({port.what}): {machine.holder(taken[number])}"
                for part in PARTS if not self.process(part).is_running()
                for port in part.ports if (number := self.ports[port.variable]) in taken]
        return ["these ports are held by what this checkout did not start, which was not touched:", *held] if held else []

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Two `up` at once would start everything twice."""
        self.dir.mkdir(parents=True, exist_ok=True)
        with (self.dir / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                detail(f"another run is working on {self.dir}: waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # -- The broker's memory

    def broker_started(self) -> float | None:
        """When this devkafka began, empty; seconds since 1970."""
        process = self.process(DEVKAFKA)
        return process.pid_file.stat().st_mtime if process.is_running() else None


def programs(stack: Stack) -> tuple:
    """The programs `up` starts: all of the table, or those STACK_SERVICES names."""
    names = stack.environment.get("STACK_SERVICES", "").split()
    unknown = [name for name in names if name not in {program.name for program in PROGRAMS}]
    if unknown:
        raise Failure(f"STACK_SERVICES names {', '.join(unknown)}; there are"
                      f" {', '.join(program.name for program in PROGRAMS)}")
    return tuple(program for program in PROGRAMS if not names or program.name in names)
