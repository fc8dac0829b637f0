"""Direct payments through the running stack: by card, from an account, from a balance, for an order, and one whose bank
answer is lost.
"""

import json
import tempfile
import uuid
from collections.abc import Mapping

from .console import Failure, detail, heading
from .scene import Scene

# The imitated bank approves both: docs/bank-stub.md.
CARD = {
    "type": "card",
    "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvv": "123", "holder": "A CUSTOMER"}}
ACCOUNT = {"type": "account", "number": "10000000001"}


class DirectDemo:
    def __init__(self, scene: Scene, order: int) -> None:
        self.scene = scene
        self.order = order + 1
        # A new customer each time: risk counts what one pays.
        self.user = str(uuid.uuid4())
        self.header = ""

    def run(self) -> None:
        heading("the shop gets an API key for the gateway, which without Docker is open and would ask for none")
        key = json.loads(self.scene.show([
            *self.scene.paysaga, "keys", "create", "--name", f"demo-{self.user[:8]}", "--scopes", "pay,read,ledger",
            "--expires", "1h", "--json"]))
        # By a file: a command's words are shown to everybody on the machine.
        with tempfile.NamedTemporaryFile("w") as header:
            header.write(f"Authorization: Bearer {key['secret']}\n")
            header.flush()
            self.header = header.name
            try:
                self._play()
            finally:
                self.scene.show([*self.scene.paysaga, "keys", "revoke", key["id"]])

    def _play(self) -> None:
        heading("6. a customer pays by card; the answer comes when the payment is final")
        self._completes(self._pay(CARD, "wait=10s"))
        heading("7. from a bank account: the message waits for the processor, the caller for the result")
        self._completes(self._pay(ACCOUNT, "wait=10s"))
        heading("8. from a balance that is kept here: opened, topped up, spent; no bank")
        account = self._curl([f"{self.scene.gateway}/v1/accounts"], {"user_id": self.user, "currency": "EUR"})["id"]
        self._send(f"accounts/{account}/topups", {"amount": 5000, "currency": "EUR"})
        self._completes(self._pay({"type": "balance", "account_id": account}, "wait=10s"))
        self._get(f"accounts/{account}")
        self._pay_order()
        self._lose_an_answer()

    def _pay_order(self) -> None:
        scene, order = self.scene, str(self.order)
        while scene.quietly([*scene.paysaga, "get", "--order", order])[0]:
            order = str(int(order) + 1)
        heading(f"9. order {order} is opened by the inventory service and paid here; that settles its saga payment")
        scene.show([*scene.paysaga, "push", "--order", order])
        scene.wait_for(f"the payment of order {order}", "payments-consumer",
                       lambda: scene.quietly([*scene.paysaga, "get", "--order", order])[0])
        self._completes(self._pay(CARD, "wait=10s", order_id=int(order)))
        scene.wait_for(
            f"the saga's payment of order {order} to be COMPLETED", "payments-processor",
            lambda: "COMPLETED" in scene.quietly([*scene.paysaga, "get", "--order", order])[1])
        scene.show([*scene.paysaga, "get", "--order", order])

    def _lose_an_answer(self) -> None:
        heading("10. the bank charges and its answer is lost: UNKNOWN, and asked about until the bank tells")
        self._curl(["-X", "PUT", f"{self.scene.bank}/control"], {"script": ["lost_answer", "error_500"]})
        payment = self._pay(ACCOUNT, "wait=3s")
        if payment["status"] != "UNKNOWN":
            raise Failure(f"the payment is {payment['status']}, expected UNKNOWN")
        detail("the first question is answered 500, the second one follows after five seconds")
        self._completes(self._get(f"payments/{payment['id']}?wait=30s"))
        self._get(f"payments/{payment['id']}/history")
        counts = self._curl([f"{self.scene.bank}/control/operations/{payment['id']}"])
        if (counts["requests"], counts["charges"]) != (1, 1):
            raise Failure("the bank was not asked once and has not charged once")

    @property
    def addresses(self) -> list[str]:
        """Where a browser sees what has happened."""
        return [f"http://{self.scene.gateway}/?user_id={self.user} (the payments of this demo, live)",
                f"http://{self.scene.gateway}/review, /accounts, /exceptions, /outbox",
                f"http://{self.scene.gateway}/docs (the API)",
                f"http://{self.scene.page}/ (the page of the payment API)",
                f"http://{self.scene.bank}/control/operations"]

    # -- Calls

    def _pay(self, method: Mapping[str, object], query: str, **more: object) -> dict:
        return self._send(f"payments?{query}", {
            "user_id": self.user, "method": method, "amount": 1999, "currency": "EUR", **more})

    def _send(self, path: str, body: Mapping[str, object]) -> dict:
        key = f"Idempotency-Key: {uuid.uuid4()}"
        return self._curl([f"{self.scene.gateway}/v1/{path}", "-H", key], body)

    def _get(self, path: str) -> dict:
        return self._curl([f"{self.scene.gateway}/v1/{path}"])

    def _curl(self, arguments: list[str], body: Mapping[str, object] | None = None) -> dict:
        sent = [] if body is None else ["--json", json.dumps(body)]
        # The bank is asked for no key, and shown none.
        key = ["-H", f"@{self.header}"] if self.scene.gateway in arguments[0] else []
        return json.loads(self.scene.show(["curl", "-sS", "--fail-with-body", *arguments, *key, *sent]))

    def _completes(self, payment: dict) -> None:
        if payment["status"] != "COMPLETED":
            raise Failure(f"the payment is {payment['status']}, expected COMPLETED")
