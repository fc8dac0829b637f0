"""The surfaces of older systems: who calls them, and the readers of their topics."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from jsonschema import Draft202012Validator
from pydantic import BaseModel, v1

from .direct import PARTITIONS, Caller, Direct, Gateway
from .process import ROOT
from .topics import Message

ADDRESSES = {
    name: f"GATEWAY_{name.upper()}_ADDR" for name in ("cards", "transactions", "payments", "updater", "demo")}


class Surface(Caller):
    """One surface of a gateway."""

    patience = 40

    def __init__(self, gateway: Gateway, name: str):
        super().__init__(gateway.program)
        self.document_name = name

    @property
    def port(self) -> int:
        return self.program.surface_port(self.document_name)


def topics(direct: Direct) -> dict[str, str]:
    """The settings of output topics of a test's own."""
    name = direct.world.name
    return {
        "GATEWAY_PAYMENT_TOPIC": f"payments-{name}", "GATEWAY_RESULT_TOPIC": f"paymentsResults-{name}",
        "GATEWAY_STATUS_TOPIC": f"status-payments-{name}", "GATEWAY_REQUEST_TOPIC": f"payment_request-{name}",
    }


def gateway_with(direct: Direct, *names: str, **settings: str) -> Gateway:
    """A gateway with these surfaces on free ports."""
    if not direct.has_surface_topics:
        for topic in topics(direct).values():
            # devkafka makes a topic that is named, with another number of partitions.
            direct.world.broker.create_topic(topic, PARTITIONS)
        direct.has_surface_topics = True
    on = {ADDRESSES[name]: "127.0.0.1:0" for name in names}
    return direct.gateway(**on, **topics(direct), **settings)


# Readers of the topics


class Payment(BaseModel):
    """What a reader of the payment API takes a message for."""

    paymentId: UUID
    userId: str
    created: datetime
    processed: datetime | None
    state: Literal["pending", "completed", "rejected"]
    accountNumber: str
    amount: float
    description: str
    extPaymentDetails: str | None = None


class PaymentRequest(v1.BaseModel):
    """What the risk service of the demo took a message for, which had pydantic 1."""

    payment_request_id: UUID
    user_id: UUID
    payee_id: UUID
    payment_method_id: UUID
    amount: Decimal
    currency: str


def _long(value: Any) -> int:
    assert isinstance(value, int) and -(2**63) <= value < 2**63, value
    return value


def _int(value: Any) -> int:
    assert isinstance(value, int) and -(2**31) <= value < 2**31, value
    return value


def _payment_dto(value: dict) -> dict:
    money, user = value["money"], value["user"]
    return {
        "id": UUID(value["id"]),
        "money": {"id": UUID(money["id"]), "amount": _int(money["amount"]), "currency": money["currency"]},
        "user": {"id": _long(user["id"]), "userName": user["userName"]},
        "createDate": datetime.strptime(value["createDate"], "%Y-%m-%dT%H:%M:%S"),
    }


def _status_dto(value: dict) -> dict:
    assert value["statusPayment"] in ("CREATED", "PROCESSING", "COMPLETED", "REJECTED", "ERROR"), value
    return {"paymentId": UUID(value["paymentId"]), "statusPayment": value["statusPayment"]}


# The classes that a Spring consumer knows; it passes over fields that they lack.
_CLASSES = {
    "com.mycompany.userservice.src.model.kafka.PaymentDTO": _payment_dto,
    "com.mycompany.userservice.src.model.kafka.StatusPaymentDTO": _status_dto,
}


def as_spring_reads(message: Message) -> dict:
    """The object that Spring's JsonDeserializer makes: its class is named by a header, once; nothing else says what it
    is."""
    name = message.header("__TypeId__")
    assert name in _CLASSES, f"a consumer would fail for ever on a message of the class {name}"
    return _CLASSES[name](json.loads(message.value))


def matches_schema(topic: str, message: Message) -> bool:
    """Whether the value is what api/topics says of the topic; fails with the reason."""
    schema = json.loads((ROOT / f"api/topics/{topic}.schema.json").read_text())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(json.loads(message.value))
    return True
