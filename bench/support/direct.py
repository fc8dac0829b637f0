"""The programs of direct payments on a database and a broker of their own."""

import contextlib
from dataclasses import dataclass
from typing import Iterator

from harness.process import Program

from .bench import Bench, connect
from .writers import FETCH_WAIT_MS

TOPICS = {"direct.payments": 3, "direct.payments.dlq": 3, "direct.results": 3, "direct.results.dlq": 3}
MERCHANT = "00000000-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Direct:
    dsn: str
    brokers: str
    gateway: Program
    processor: Program | None


@contextlib.contextmanager
def direct(
        bench: Bench, processes: bool = True, topics: dict[str, int] = TOPICS, **settings: str) -> Iterator[Direct]:
    """A gateway and, unless nothing is to be processed, the imitated bank and a processor."""
    with bench.database() as dsn, bench.broker(**topics) as broker, contextlib.ExitStack() as stack:
        own = {
            "PROCESSING_DSN": dsn, "GATEWAY_DSN": dsn, "GATEWAY_ADDR": "127.0.0.1:0", "GATEWAY_AUTH": "open", "SAGA_GRPC_ADDR": "",
            # devkafka answers an empty fetch only when this is over.
            "KAFKA_FETCH_WAIT_MAX_MS": str(FETCH_WAIT_MS), "BANK_URL": "http://127.0.0.1:9",
            "GATEWAY_MERCHANT": MERCHANT, "GATEWAY_REQUEST_KEYS": "bench:" + "1a" * 31 + "1b",
            "CARD_FINGERPRINT_KEYS": "bench:" + "2a" * 31 + "2b",
        } | settings
        names = ["payments-gateway"]
        if processes:
            [bank] = stack.enter_context(bench.programs(
                "bankstub", dsn=dsn, broker=broker, BANKSTUB_ADDR="127.0.0.1:0",
                BANKSTUB_FILE=str(bench.directory / f"bank-{id(stack)}.ndjson")))
            own["BANK_URL"] = f"http://127.0.0.1:{bank.http_port}"
            names.append("payments-processor")
        gateway, *processors = stack.enter_context(bench.programs(*names, dsn=dsn, broker=broker, **own))
        yield Direct(dsn, broker.brokers, gateway, processors[0] if processors else None)


def finished(dsn: str) -> int:
    """Payments whose end the gateway shows."""
    with connect(dsn) as connection:
        return connection.execute(
            "SELECT count(*) FROM gateway.payment WHERE state IN ('COMPLETED', 'REJECTED', 'ERROR')").fetchone()[0]
