"""Processes that the tests start, each stopped by its own handle."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from .waiting import wait_until

# A program's HTTP server as its log names it, and its setting.
HTTP_SERVERS = {"bankstub": ("bankstub", "BANKSTUB_ADDR"), "payments-gateway": ("gateway", "GATEWAY_ADDR")}
ROOT = Path(__file__).resolve().parents[3]
BINARIES = Path(os.environ.get("PAYSAGA_BIN") or ROOT / ".build/debug").absolute()


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment() -> dict[str, str]:
    """The environment without settings: a stray DB_… or KAFKA_… of the caller would be taken for one of ours."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"SWIFT_BACKTRACE": "enable=no"}


class LogReader:
    """Reads a program's output from a pipe and keeps it in a file, unless it stalls."""

    def __init__(self, log: Path):
        self._log = log
        self._may_read = threading.Event()
        self._may_read.set()

    def start(self) -> int:
        """The end of a new pipe that a program writes to."""
        source, sink = os.pipe()
        threading.Thread(target=self._copy, args=(source,), daemon=True).start()
        return sink

    def stall(self) -> None:
        self._may_read.clear()

    def go_on(self) -> None:
        self._may_read.set()

    def _copy(self, source: int) -> None:
        with open(source, "rb", buffering=0) as pipe, open(self._log, "ab", buffering=0) as log:
            while self._may_read.wait() and (data := pipe.read(65536)):
                # What came while it began to stall is kept too.
                log.write(data)


class Process:
    """A child process with its output in a file; with `log_reader` it goes there through a pipe."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path):
        self.name, self.command, self.environment, self.log = name, command, environment, log
        self.handle: subprocess.Popen | None = None
        self._log_start = 0
        self.log_reader: LogReader | None = None

    def start(self) -> None:
        assert not self.is_running, f"{self.name} runs already"
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log_reader.start() if self.log_reader else self.log, "ab", buffering=0) as output:
            self.handle = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                start_new_session=True)

    @property
    def is_running(self) -> bool:
        return self.handle is not None and self.handle.poll() is None

    @property
    def output(self) -> str:
        """What it has written since its last start."""
        if not self.log.exists():
            return ""
        with open(self.log, "rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    @property
    def printed(self) -> str:
        """The output without the log, which has a thread of its own: its lines may stand within what is printed."""
        return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z [^\n]*\n", "", self.output)

    def wait_for_output(self, pattern: str, timeout: float = 20.0) -> re.Match:
        """Waits for a line that matches, and fails at once when the process has ended without it."""
        expression = re.compile(pattern, re.MULTILINE)

        def look():
            running = self.is_running
            found = expression.search(self.output)
            return found or (None if running else "ended")

        found = wait_until(look, f"{self.name} writes /{pattern}/", timeout)
        assert found != "ended", f"{self.name} ended with {self.handle.returncode}:\n{self.output[-4000:]}"
        return found

    def send(self, number: signal.Signals) -> None:
        assert self.handle is not None
        self.handle.send_signal(number)

    def wait(self, timeout: float = 20.0) -> int:
        """Its exit code."""
        assert self.handle is not None
        try:
            return self.handle.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} (pid {self.handle.pid}) still runs after {timeout:g} s") from None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP, and SIGCONT afterwards."""
        self.send(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        if self.is_running:
            self.send(signal.SIGKILL)
            self.handle.wait()

    def stop(self, timeout: float = 20.0) -> int:
        """SIGTERM, and waits for the end."""
        self.send(signal.SIGTERM)
        return self.wait(timeout)


class Program(Process):
    """One of the programs with an admin endpoint."""

    def __init__(self, binary: str, environment: dict[str, str], log: Path, name: str | None = None):
        path = BINARIES / binary
        assert path.exists(), f"{path} is not built"
        super().__init__(name or binary, [str(path)], environment, log)
        self.binary = binary
        self.is_killed = False
        self._admin_port: int | None = None
        self._grpc_port: int | None = None
        self._http_port: int | None = None

    def start(self) -> "Program":
        self._admin_port = None
        super().start()
        self.is_killed = False
        return self

    def kill(self) -> None:
        super().kill()
        self.is_killed = True

    @property
    def admin_port(self) -> int:
        if self._admin_port is None:
            self._admin_port = int(self.wait_for_output(r"admin endpoint listens .*port=(\d+)")[1])
        return self._admin_port

    @property
    def grpc_port(self) -> int:
        """The bound port; a later start of this program listens there again."""
        if self._grpc_port is None:
            self._grpc_port = int(self.wait_for_output(r"serving gRPC .*port=(\d+)")[1])
            self.environment["SERVER_GRPC_ADDR"] = f"127.0.0.1:{self._grpc_port}"
        return self._grpc_port

    @property
    def http_port(self) -> int:
        """The bound port of a program that serves HTTP; a later start of this program listens there again."""
        if self._http_port is None:
            surface, setting = HTTP_SERVERS[self.binary]
            self._http_port = self.surface_port(surface)
            self.environment[setting] = f"127.0.0.1:{self._http_port}"
        return self._http_port

    def surface_port(self, surface: str) -> int:
        """The bound port of one of the HTTP servers of a program."""
        return int(self.wait_for_output(rf"HTTP server listens (?=.*surface={surface}\b).*port=(\d+)")[1])

    def get(self, path: str) -> tuple[int, str]:
        """A GET on the admin endpoint."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def readiness(self) -> tuple[int, dict]:
        status, body = self.get("/readyz")
        return status, json.loads(body)

    def wait_ready(self, timeout: float = 30.0) -> "Program":
        def look():
            assert self.is_running, f"{self.name} ended with {self.handle.returncode}"
            status, report = self.readiness()
            assert status == 200, report
            return True

        try:
            wait_until(look, f"{self.name} is ready", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output[-4000:]}") from None
        return self

    def wait_not_ready(self, dependency: str, timeout: float = 30.0) -> None:
        """Waits until /readyz is 503 because of that dependency."""

        def look():
            status, report = self.readiness()
            assert status == 503 and report["checks"][dependency]["ok"] is False, (status, report)
            return True

        wait_until(look, f"{self.name} says that {dependency} is away", timeout)

    def metric(self, name: str, **labels: str) -> float:
        """The value of a sample, 0 when it is not there."""
        _, body = self.get("/metrics")
        for line in body.splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name:
                found = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                if found == labels:
                    return float(match[3])
        return 0.0

    def cpu_seconds(self) -> float:
        """The processor time of its threads that live, to the nanosecond."""
        used = 0
        for task in Path(f"/proc/{self.handle.pid}/task").iterdir():
            # A thread may end meanwhile.
            with suppress(FileNotFoundError, ProcessLookupError):
                used += int((task / "schedstat").read_text().split()[0])
        return used / 1e9

    def resident_kib(self, field: str = "VmRSS") -> int:
        """Resident memory; field VmHWM is the most there ever was."""
        for line in Path(f"/proc/{self.handle.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise AssertionError(f"{self.name} has no {field}: it has ended")


def stop_all(programs: list[Process], timeout: float = 20.0) -> list[str]:
    """SIGTERM to all that run, SIGKILL to those that do not obey.

    Returns complaints: about those, and about programs that ended otherwise than with 0 after SIGTERM.
    """
    complaints = []
    running = [program for program in programs if program.is_running]
    for program in programs:
        ended = program.handle is not None and not program.is_running
        if ended and isinstance(program, Program) and not program.is_killed and program.handle.returncode != 0:
            complaints.append(f"{program.name} had ended with {program.handle.returncode}")
    for program in running:
        program.send(signal.SIGTERM)
    deadline = time.monotonic() + timeout
    for program in running:
        try:
            code = program.handle.wait(max(0.1, deadline - time.monotonic()))
            if code != 0:
                complaints.append(f"{program.name} ended with {code} after SIGTERM")
        except subprocess.TimeoutExpired:
            complaints.append(f"{program.name} did not end within {timeout:g} s of SIGTERM")
            program.handle.kill()
            program.handle.wait()
    return complaints
