"""The surfaces of older systems: who calls them, and the readers of their topics."""

import http.client
import json
from typing import Any

from .direct import Answer, Direct, Gateway
from .documents import compare

ADDRESSES = {
    name: f"GATEWAY_{name.upper()}_ADDR" for name in ("cards", "transactions", "payments", "updater", "demo")}


class Surface:
    """One surface of a gateway. A body is sent as it is; a header's name has _ for -.

    Each answer is compared with the surface's OpenAPI document."""

    def __init__(self, gateway: Gateway, name: str):
        self.name = name
        self.port = gateway.program.surface_port(name)

    def call(self, method: str, path: str, body: Any = None, timeout: float = 40, **headers: str) -> Answer:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, content, fields)
            received = connection.getresponse()
            found = {name.lower(): value for name, value in received.getheaders()}
            answer = Answer(received.status, found, received.read())
        finally:
            connection.close()
        compare(self.name, method, path, fields, content, answer)
        return answer


def topics(direct: Direct) -> dict[str, str]:
    """The settings of output topics of a test's own, which the gateway makes."""
    name = direct.world.name
    return {
        "GATEWAY_PAYMENT_TOPIC": f"payments-{name}", "GATEWAY_RESULT_TOPIC": f"paymentsResults-{name}",
        "GATEWAY_STATUS_TOPIC": f"status-payments-{name}", "GATEWAY_REQUEST_TOPIC": f"payment_request-{name}",
    }


def gateway_with(direct: Direct, *names: str, **settings: str) -> Gateway:
    """A gateway with these surfaces on free ports."""
    on = {ADDRESSES[name]: "127.0.0.1:0" for name in names}
    return direct.gateway(**on, **topics(direct), **settings)
