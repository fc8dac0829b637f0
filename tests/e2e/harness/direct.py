"""Direct payments on a world's servers: the imitated bank, processors, gateways, and callers of them."""

import http.client
import json
from dataclasses import dataclass
from typing import Any

from .process import Program
from .world import World

PARTITIONS = 3
FINAL = ("COMPLETED", "REJECTED", "ERROR")
# The bank's answers to these are fixed: docs/bank-stub.md.
CARD, DECLINED_CARD = "4242424242424242", "4000000000000002"
ACCOUNT, DECLINED_ACCOUNT = "10000000001", "10000000002"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Calls an HTTP server on loopback, over a new connection each time, so that a server that died is no trouble."""

    def __init__(self, program: Program):
        self.program = program

    def call(self, method: str, path: str, body: Any = None, timeout: float = 30, **headers: str) -> Answer:
        """Sends `body` as JSON; a header's name has _ for -."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body
        if body is not None and not isinstance(body, bytes):
            content = json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.program.http_port, timeout=timeout)
        try:
            connection.request(method, path, content, fields)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


class Bank(Caller):
    """The imitated bank."""

    def __init__(self, world: World):
        program = world.program(
            "bankstub", BANKSTUB_ADDR="127.0.0.1:0", BANKSTUB_FILE=str(world.directory / "bank.ndjson"))
        super().__init__(program.start().wait_ready())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.program.http_port}"

    def behave(self, **behaviour: Any) -> None:
        """Changes what is named: delay_ms, approval, idempotent, forgets, faults, script."""
        answer = self.call("PUT", "/control", behaviour)
        assert answer.status == 200, answer

    def operations(self) -> dict[str, dict]:
        lines = self.call("GET", "/control/operations").body.splitlines()
        return {each["operation_id"]: each for each in map(json.loads, lines)}

    def counts(self, operation: str) -> tuple[int, int]:
        """Requests to charge, and charges."""
        found = self.operations().get(operation, {"requests": 0, "charges": 0})
        return found["requests"], found["charges"]
