"""Counts the instructions of bench-ping under valgrind's callgrind."""

import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.process import BINARIES

from .h2load import METHODS, h2load

# Connections, start-up and the first pages of everything are in both counts, so the difference is requests alone.
FEW, MANY = 2_000, 12_000


class Callgrind:
    """bench-ping under callgrind, on one core, counting from `start` on."""

    def __init__(self, directory: Path, *arguments: str):
        self.directory, self.arguments = directory, arguments
        self.port = 0

    def __enter__(self) -> "Callgrind":
        command = ["taskset", "-c", "0", "valgrind", "--tool=callgrind", "--quiet", "--combine-dumps=no",
                   f"--callgrind-out-file={self.directory}/out", str(BINARIES / "bench-ping"), *self.arguments]
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


def measure(*arguments: str) -> dict[str, float]:
    """Instructions a request of each method, of a bench-ping with these arguments."""
    with TemporaryDirectory() as directory, Callgrind(Path(directory), *arguments) as server:
        return {method: server.per_request(method) for method in METHODS}


def measure_traced(ratio: float) -> dict[str, float]:
    """The same, with that part of the calls recorded and sent to a collector."""
    with Collector() as collector:
        counts = measure(str(ratio), collector.url)
    assert collector.taken > 0, "no spans have come"
    return counts


class Collector:
    """Takes all spans and reads none."""

    def __init__(self):
        self.taken = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                collector.taken += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Collector":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
