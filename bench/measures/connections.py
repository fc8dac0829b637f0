"""Resident memory of bench-ping per connection, for 5,000 connections that made calls and are now idle."""

import resource
import socket
import subprocess
from pathlib import Path

from harness.process import BINARIES

from support.bench import Bench
from support.h2load import METHODS

CONNECTIONS = 5_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, DATA, SETTINGS = 1, 0, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def measure(bench: Bench) -> None:
    least = CONNECTIONS + 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, max(least, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    for calls, target in ((1, 20.0), (100, None)):
        values = [_kilobytes_each(calls) for _ in range(bench.runs)]
        gate = {"target": f"≤ {target:g}", "meets": lambda value, _, most=target: value <= most} if target else {}
        bench.report.add(
            f"memory of an idle connection after {calls} call{'s' * (calls > 1)}, {CONNECTIONS:,} of them", values, "KB",
            **gate)


def _kilobytes_each(calls: int) -> float:
    server = subprocess.Popen(
        [str(BINARIES / "bench-ping")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    connections: list[socket.socket] = []
    try:
        port = int(server.stdout.readline())
        # The program loads and reserves memory for its first connections; that does not count.
        connections += [_quiet(port, calls) for _ in range(16)]
        before = _resident(server.pid)
        connections += [_quiet(port, calls) for _ in range(CONNECTIONS)]
        return (_resident(server.pid) - before) / CONNECTIONS
    finally:
        for connection in connections:
            connection.close()
        server.kill()
        server.wait()


def _resident(process: int) -> float:
    """KB (1,000 bytes)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1_000


def _quiet(port: int, calls: int) -> socket.socket:
    """A connection on which `calls` GetPing calls were made, in batches below the limit of streams."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(PREFACE + _frame(SETTINGS, 0, 0, b"") + _frame(SETTINGS, ACK, 0, b""))
    for first in range(0, calls, 50):
        batch = range(first, min(first + 50, calls))
        connection.sendall(b"".join(_call(2 * number + 1, number > 0) for number in batch))
        _read_answers(connection, len(batch))
    return connection


def _call(stream: int, is_known: bool) -> bytes:
    return _frame(HEADERS, END_HEADERS, stream, KNOWN if is_known else FIRST) + _frame(
        DATA, END_STREAM, stream, b"\0\0\0\0\0")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _read_answers(connection: socket.socket, count: int) -> None:
    """Reads until `count` streams have ended."""
    buffered = b""
    while count > 0:
        while len(buffered) < 9 or len(buffered) < 9 + int.from_bytes(buffered[:3], "big"):
            more = connection.recv(65_536)
            assert more, "the server closed a connection"
            buffered += more
        length, kind, flags = int.from_bytes(buffered[:3], "big"), buffered[3], buffered[4]
        assert kind in (HEADERS, DATA, SETTINGS, 8), f"unexpected frame of type {kind}"
        count -= kind == HEADERS and flags & END_STREAM
        buffered = buffered[9 + length:]


def _literal(name: str, value: str) -> bytes:
    """A field that the server's table takes in (RFC 7541 section 6.2.1), its text not Huffman-coded."""
    return b"\x40" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


# :method POST and :scheme http stand in the static table; what FIRST brings is in the dynamic one afterwards.
FIRST = b"\x83\x86" + b"".join(_literal(name, value) for name, value in (
    (":path", "/" + METHODS["inline"]), (":authority", "127.0.0.1"), ("content-type", "application/grpc"),
    ("te", "trailers"), ("user-agent", "bench")))
KNOWN = b"\x83\x86" + bytes([0x80 | 62 + age for age in (4, 3, 2, 1, 0)])
