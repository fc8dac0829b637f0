"""Counts the instructions of bench-ping under valgrind's callgrind."""

import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.process import BINARIES

from .h2load import METHODS, h2load

# Connections, start-up and the first pages of everything are in both counts, so the difference is requests alone.
FEW, MANY = 2_000, 12_000


class Callgrind:
    """bench-ping under callgrind, on one core, counting from `start` on."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.port = 0

    def __enter__(self) -> "Callgrind":
        command = ["taskset", "-c", "0", "valgrind", "--tool=callgrind", "--quiet", "--combine-dumps=no",
                   f"--callgrind-out-file={self.directory}/out", str(BINARIES / "bench-ping")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()

    def per_request(self, method: str) -> float:
        """Instructions a request of `method`, a key of METHODS."""
        self._count(method, FEW)
        few, many = self._count(method, FEW), self._count(method, MANY)
        return (many - few) / (MANY - FEW)

    def _count(self, method: str, requests: int) -> int:
        known = set(self._dumps())
        h2load(self.port, METHODS[method], requests)
        subprocess.run(["callgrind_control", "--dump", str(self.process.pid)], check=True, capture_output=True)
        [dump] = set(self._dumps()) - known
        return int(re.search(r"^(?:summary|totals): (\d+)", dump.read_text(), re.MULTILINE)[1])

    def _dumps(self) -> list[Path]:
        return sorted(self.directory.glob("out.*"))


def measure() -> dict[str, float]:
    with TemporaryDirectory() as directory, Callgrind(Path(directory)) as server:
        return {method: server.per_request(method) for method in METHODS}
