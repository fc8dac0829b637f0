"""GetPing calls by h2load, pinned to the core that no server has."""

import contextlib
import re
import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Iterator

from .bench import run

# What bench-ping serves; the first is the method that payments-server, nghttpd and the C++ server have too.
METHODS = {"inline": "paymentsapi.PaymentsApi/GetPing", "task": "bench.Task/GetPing"}
ANSWER = b"\0\0\0\0\2\x08\x01"
# The server under test has one core, its load the other.
SERVER, LOAD = ["taskset", "-c", "0"], ["taskset", "-c", "1"]
MANY, ONE = ("-c4", "-m64"), ("-c1", "-m1")


def h2load(port: int, path: str, requests: int, flags: tuple[str, ...] = MANY) -> str:
    """The output of h2load; fails when a call fails."""
    with NamedTemporaryFile() as body:
        Path(body.name).write_bytes(b"\0\0\0\0\0")
        output = run([*LOAD, "h2load", "-t1", *flags, "-n", str(requests), "-d", body.name, "-H",
                      "content-type: application/grpc", "-H", "te: trailers", f"http://127.0.0.1:{port}/{path}"])
    # It never looks at grpc-status: an error would come without a message.
    data = int(re.search(r"\((\d+)\) data", output)[1])
    assert f"{requests} succeeded" in output and data == requests * len(ANSWER), output
    return output


def rate(port: int, path: str, requests: int) -> float:
    """Requests a second of four connections with 64 streams each."""
    return float(re.search(r"([\d.]+) req/s", h2load(port, path, requests))[1])


def latency(port: int, path: str, requests: int) -> float:
    """Mean time of a request, one at a time, in µs."""
    mean = re.search(r"time for request:\s+\S+\s+\S+\s+(\S+)", h2load(port, path, requests, ONE))[1]
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", mean).groups()
    return float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


@contextlib.contextmanager
def printed_port(prefix: list[str], program: Path) -> Iterator[int]:
    """A server that prints its port when it listens; stopped at the end."""
    server = subprocess.Popen(
        [*prefix, str(program)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()
