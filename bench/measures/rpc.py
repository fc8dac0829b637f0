"""GetPing against nghttpd in the same shape: server pinned to one core, h2load to the other, same flags.

nghttpd answers the same five-byte prefix and two-byte message from a file, with the trailer grpc-status: 0.
"""

import contextlib
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Iterator

from harness.process import free_port

from support.bench import Bench, run, wait_for

PATH = "paymentsapi.PaymentsApi/GetPing"
ANSWER = b"\0\0\0\0\2\x08\x01"
SERVER, LOAD = ["taskset", "-c", "0"], ["taskset", "-c", "1"]


def measure(bench: Bench) -> None:
    requests = bench.size(1_000_000, 200_000)
    with TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        body = Path(directory) / "body.bin"
        body.write_bytes(b"\0\0\0\0\0")
        dsn = stack.enter_context(bench.database())
        broker = stack.enter_context(bench.broker(payment=4))
        [server] = stack.enter_context(bench.programs(
            "payments-server", dsn=dsn, broker=broker, prefix=SERVER, CRON_ENABLED="false", SERVER_THREADS="1"))
        nghttpd = stack.enter_context(_nghttpd(Path(directory)))

        def load(port: int, *flags: str, count: int = requests) -> str:
            output = run([*LOAD, "h2load", "-t1", *flags, "-n", str(count), "-d", str(body),
                          "-H", "content-type: application/grpc", "-H", "te: trailers", f"http://127.0.0.1:{port}/{PATH}"])
            # It never looks at grpc-status: an error would come without a message.
            data = int(re.search(r"\((\d+)\) data", output)[1])
            assert f"{count} succeeded" in output and data == count * len(ANSWER), output
            return output

        def rate(port: int) -> float:
            return float(re.search(r"([\d.]+) req/s", load(port, "-c4", "-m64"))[1])

        def latency(port: int) -> float:
            mean = re.search(r"time for request:\s+\S+\s+\S+\s+(\S+)", load(port, "-c1", "-m1", count=requests // 20))[1]
            value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", mean).groups()
            return float(value) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]

        for port in (server.grpc_port, nghttpd):
            load(port, "-c4", "-m64", count=requests // 10)
        ours, theirs = bench.in_turn(lambda: rate(server.grpc_port), lambda: rate(nghttpd))
        bench.report.add(
            "GetPing against nghttpd", ours, "req/s", baselines=theirs, target="≥ 1.0×", meets=lambda _, ratio: ratio >= 1)
        ours, theirs = bench.in_turn(lambda: latency(server.grpc_port), lambda: latency(nghttpd))
        bench.report.add(
            "GetPing, one caller, mean latency against nghttpd", ours, "µs", baselines=theirs, target="≤ 1.1×",
            meets=lambda _, ratio: ratio <= 1.1)


@contextlib.contextmanager
def _nghttpd(directory: Path) -> Iterator[int]:
    answer = directory / PATH
    answer.parent.mkdir(parents=True)
    answer.write_bytes(ANSWER)
    port = free_port()
    command = [*SERVER, "nghttpd", "--no-tls", "-d", str(directory), "--trailer", "grpc-status: 0",
               "--no-content-length", "-m", "256", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def answers() -> bool:
            probe = subprocess.run(["nghttp", "-n", f"http://127.0.0.1:{port}/{PATH}"], capture_output=True, timeout=5)
            return probe.returncode == 0

        wait_for(answers, 10, 0.1)
        yield port
    finally:
        server.kill()
        server.wait()
