"""Throughput and latency of the gRPC core, compared with nghttpd in the same shape and with grpc-c++. The server
under test is pinned to one core and h2load to the other, with the same flags.

GetPing of payments-server runs its handler inline; bench-ping gives the same answer from an asynchronous handler,
which runs as a task. nghttpd serves the same five-byte prefix and two-byte message from a file, with the trailer
grpc-status: 0. The C++ server is bench/grpcpp/ping.cc on Debian's grpc++.
"""

import contextlib
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Iterator

from harness.process import BINARIES, free_port

from support import grpcpp
from support.bench import Bench, wait_for
from support.h2load import ANSWER, METHODS, SERVER, h2load, latency, printed_port, rate


def measure(bench: Bench) -> None:
    with TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        cpp = grpcpp.build(Path(directory))
        dsn = stack.enter_context(bench.database())
        broker = stack.enter_context(bench.broker(payment=4))
        [server] = stack.enter_context(bench.programs(
            "payments-server", dsn=dsn, broker=broker, prefix=SERVER, CRON_ENABLED="false", SERVER_THREADS="1"))
        ports = {
            "inline": server.grpc_port,
            "task": stack.enter_context(printed_port(SERVER, BINARIES / "bench-ping")),
            "nghttpd": stack.enter_context(_nghttpd(Path(directory))),
            "grpc-c++": stack.enter_context(printed_port(SERVER, cpp)),
        }
        paths = {name: METHODS["task" if name == "task" else "inline"] for name in ports}
        for name, port in ports.items():
            h2load(port, paths[name], bench.size(100_000, 20_000))
        _throughput(bench, ports, paths)
        _latency(bench, ports, paths)


def _throughput(bench: Bench, ports: dict[str, int], paths: dict[str, str]) -> None:
    requests = bench.size(1_000_000, 200_000)
    # The slow one gets fewer requests, so that all are measured for about as long.
    counts = {name: requests // 5 if name == "grpc-c++" else requests for name in ports}
    results = dict(zip(ports, bench.in_turn(
        *[lambda name=name: rate(ports[name], paths[name], counts[name]) for name in ports])))
    for name, shown, against, least in (
            ("inline", "GetPing against nghttpd", "nghttpd", 1.0),
            ("task", "GetPing as a task against nghttpd", "nghttpd", 0.85),
            ("inline", "GetPing against grpc-c++", "grpc-c++", 4.0),
            ("task", "GetPing as a task against grpc-c++", "grpc-c++", 4.0)):
        bench.report.add(
            shown, results[name], "req/s", baselines=results[against], target=f"≥ {least:g}×",
            meets=lambda _, ratio, least=least: ratio >= least)


def _latency(bench: Bench, ports: dict[str, int], paths: dict[str, str]) -> None:
    requests = bench.size(50_000, 10_000)
    names = ("inline", "task", "nghttpd")
    results = dict(zip(names, bench.in_turn(
        *[lambda name=name: latency(ports[name], paths[name], requests) for name in names])))
    for name, shown in (("inline", "GetPing"), ("task", "GetPing as a task")):
        bench.report.add(
            f"{shown}, one caller, mean latency against nghttpd", results[name], "µs", baselines=results["nghttpd"],
            target="≤ 1.1×", meets=lambda _, ratio: ratio <= 1.1)


@contextlib.contextmanager
def _nghttpd(directory: Path) -> Iterator[int]:
    answer = directory / METHODS["inline"]
    answer.parent.mkdir(parents=True)
    answer.write_bytes(ANSWER)
    port = free_port()
    command = [*SERVER, "nghttpd", "--no-tls", "-d", str(directory), "--trailer", "grpc-status: 0",
               "--no-content-length", "-m", "256", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def answers() -> bool:
            url = f"http://127.0.0.1:{port}/{METHODS['inline']}"
            return subprocess.run(["nghttp", "-n", url], capture_output=True, timeout=5).returncode == 0

        wait_for(answers, 10, 0.1)
        yield port
    finally:
        server.kill()
        server.wait()
