"""Direct payments on a world's servers: the imitated bank, processors, gateways, and callers of them."""

import http.client
import json
import uuid
from dataclasses import dataclass
from typing import Any

from .documents import compare
from .process import Program
from .waiting import wait_until
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

    @property
    def problem(self) -> tuple[int, str, str | None]:
        """Status, code and field of problem details."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status, self
        return self.status, self.json["code"], self.json.get("field")


class Caller:
    """Calls an HTTP server on loopback, over a new connection each time, so that a server that died is no trouble.

    Where the server has an OpenAPI document, each answer is compared with it."""

    document_name = ""
    # Seconds for an answer, unless a call says otherwise.
    patience = 30

    def __init__(self, program: Program):
        self.program = program

    @property
    def port(self) -> int:
        return self.program.http_port

    def call(
            self, method: str, path: str, body: Any = None, timeout: float | None = None, **headers: str) -> Answer:
        """Sends `body` as JSON, bytes as they are; a header's name has _ for -."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout or self.patience)
        try:
            connection.request(method, path, content, fields)
            received = connection.getresponse()
            found = {name.lower(): value for name, value in received.getheaders()}
            answer = Answer(received.status, found, received.read())
        finally:
            connection.close()
        compare(self.document_name, method, path, fields, content, answer)
        return answer


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
        answer = self.call("GET", f"/control/operations/{operation}")
        if answer.status == 404:
            return 0, 0
        return answer.json["requests"], answer.json["charges"]


class Gateway(Caller):
    """A payments-gateway."""

    document_name = "v1"

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, key: str | None = None, **options: Any) -> Answer:
        if key is not None:
            options["Idempotency_Key"] = key
        return self.call("POST", path, body, **options)

    def pay(self, method: dict, amount: int = 1999, key: str | None = None, wait: str = "", **more: Any) -> Answer:
        """POST /v1/payments; a caller that repeats it gives the key."""
        body = {"user_id": str(uuid.uuid4()), "method": method, "amount": amount, "currency": "EUR"} | more
        query = f"?wait={wait}" if wait else ""
        return self.call("POST", f"/v1/payments{query}", body, Idempotency_Key=key or str(uuid.uuid4()))

    def paid(self, method: dict, wait: str = "20s", **more: Any) -> dict:
        """The payment, which is taken in for sure."""
        answer = self.pay(method, wait=wait, **more)
        assert answer.status == 201, answer
        return answer.json

    def payment(self, id: str, wait: str = "") -> dict:
        answer = self.call("GET", f"/v1/payments/{id}{f'?wait={wait}' if wait else ''}", timeout=70)
        assert answer.status == 200, answer
        return answer.json

    def await_status(self, id: str, *wanted: str, timeout: float = 30) -> dict:
        """Waits until the payment has one of these states."""

        def look():
            found = self.payment(id)
            assert found["status"] in wanted, found
            return found

        return wait_until(look, f"payment {id} is {' or '.join(wanted)}", timeout, interval=0.1)

    def refund(self, payment: str, amount: int | None = None, key: str | None = None, wait: str = "20s") -> Answer:
        """POST /v1/payments/{id}/refunds; a caller that repeats it gives the key."""
        body = {} if amount is None else {"amount": amount}
        return self.call("POST", f"/v1/payments/{payment}/refunds?wait={wait}", body,
                         Idempotency_Key=key or str(uuid.uuid4()))

    def refunds(self, payment: str) -> list[dict]:
        answer = self.get(f"/v1/payments/{payment}/refunds")
        assert answer.status == 200, answer
        return answer.json["data"]

    def await_refund(self, payment: str, *wanted: str, timeout: float = 30) -> dict:
        """Waits until the payment has one refund, in one of these states."""

        def look():
            [found] = self.refunds(payment)
            assert found["status"] in wanted, found
            return found

        return wait_until(look, f"the refund of {payment} is {' or '.join(wanted)}", timeout, interval=0.1)

    def open_account(self, user: str, amount: int = 0, currency: str = "EUR") -> str:
        """An account of the user with that much on it."""
        made = self.call("POST", "/v1/accounts", {"user_id": user, "currency": currency})
        assert made.status in (200, 201), made
        account = made.json["id"]
        if amount:
            filled = self.call("POST", f"/v1/accounts/{account}/topups", {"amount": amount, "currency": currency},
                               Idempotency_Key=str(uuid.uuid4()))
            assert filled.status == 201, filled
        return account


def card(number: Any = CARD, **fields: Any) -> dict:
    """A field that is None is left out."""
    wanted = {"number": number, "exp_month": 12, "exp_year": 2040, "cvv": "123", "holder": "A CUSTOMER"} | fields
    return {"type": "card", "card": {name: value for name, value in wanted.items() if value is not None}}


def new_card() -> dict:
    """A card that nobody has used: risk counts what each card does. The bank's `approval` decides about it."""
    digits = [4] + [int(digit) for digit in f"{uuid.uuid4().int % 10**14:014d}"]
    # Luhn: the digits at even places count twice.
    total = sum(digit if place % 2 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(digits))
    return card("".join(map(str, digits)) + str(-total % 10))


def account(number: str = ACCOUNT) -> dict:
    return {"type": "account", "number": number}


def balance(id: str) -> dict:
    return {"type": "balance", "account_id": id}


MERCHANT = "00000000-0000-4000-8000-000000000001"


class Direct:
    """A bank, processors and gateways on a world's database and topics. The saga runs where a test starts it."""

    def __init__(self, world: World, **settings: str):
        self.world, self.bank = world, Bank(world)
        self.payments_topic, self.results_topic = f"direct.payments-{world.name}", f"direct.results-{world.name}"
        for topic in (self.payments_topic, self.results_topic):
            world.broker.create_topic(topic, PARTITIONS)
            world.broker.create_topic(f"{topic}.dlq", PARTITIONS)
        self.settings = {
            "PROCESSING_DSN": world.dsn, "GATEWAY_DSN": world.dsn, "BANK_URL": self.bank.url, "SAGA_GRPC_ADDR": "",
            "DIRECT_PAYMENT_TOPIC": self.payments_topic, "DIRECT_RESULT_TOPIC": self.results_topic,
            "DIRECT_TOPIC_PARTITIONS": str(PARTITIONS), "PROCESSING_GROUP": f"processor-{world.name}",
            "GATEWAY_GROUP": f"gateway-{world.name}", "GATEWAY_MERCHANT": MERCHANT,
            "GATEWAY_REQUEST_KEYS": "test:" + "1a" * 31 + "1b", "CARD_FINGERPRINT_KEYS": "test:" + "2a" * 31 + "2b",
            "WEBHOOK_SECRET_KEYS": "test:" + "3a" * 31 + "3b", "WEBHOOK_ALLOW_PRIVATE": "true",
            "GATEWAY_ADDR": "127.0.0.1:0", "GATEWAY_AUTH": "open", "PROCESSING_LEASE": "2s", "PROCESSING_RELAY_LEASE": "2s",
            "GATEWAY_RELAY_LEASE": "2s", "CARD_CLAIM_TIMEOUT": "3s", "BANK_TIMEOUT": "2s", "BANK_HORIZON": "1s",
        } | settings
        self.has_surface_topics = False
        self.processors: list[Program] = []
        self.gateways: list[Gateway] = []

    def processor(self, **settings: str) -> Program:
        made = self.world.program("payments-processor", **self.settings | settings).start().wait_ready()
        self.processors.append(made)
        return made

    def gateway(self, **settings: str) -> Gateway:
        made = Gateway(self.world.program("payments-gateway", **self.settings | settings).start().wait_ready())
        self.gateways.append(made)
        return made

    def hurry(self) -> None:
        """Asks the bank now about what it would be asked about later."""
        self.world.sql("""
            WITH later AS (UPDATE processing.payment SET due = now()
                           WHERE stage IN ('unknown', 'reversing') AND due > now() RETURNING id)
            UPDATE processing.due SET at = now() FROM later WHERE payment_id = later.id""")
