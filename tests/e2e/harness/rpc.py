"""A stock grpcio client on stubs that grpcio-tools makes of the .proto files of api/."""

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import grpc
import grpc_tools
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from grpc_tools import protoc

from .process import ROOT


def _generate() -> None:
    directory = tempfile.mkdtemp(prefix="paysaga-e2e-stubs-")
    includes = Path(grpc_tools.__file__).parent / "_proto"
    arguments = [
        "protoc", f"-I{ROOT / 'api'}", f"-I{includes}", f"--python_out={directory}", f"--grpc_python_out={directory}",
        "payments/v1/payments.proto", "paymentsapi/paymentsapi.proto",
    ]
    assert protoc.main(arguments) == 0, "protoc failed"
    sys.path.insert(0, directory)


_generate()
payments = importlib.import_module("payments.v1.payments_pb2")
payments_grpc = importlib.import_module("payments.v1.payments_pb2_grpc")
small = importlib.import_module("paymentsapi.paymentsapi_pb2")
small_grpc = importlib.import_module("paymentsapi.paymentsapi_pb2_grpc")

CREATED = payments.PAYMENT_STATUS_CREATED
COMPLETED = payments.PAYMENT_STATUS_COMPLETED
FAILED = payments.PAYMENT_STATUS_FAILED
TIMEOUT = 10.0


class Client:
    """Both payment APIs on one channel, in clear or with TLS; a call fails after 10 s unless told otherwise."""

    def __init__(self, port: int, credentials: grpc.ChannelCredentials | None = None, **more: int):
        """`more`: options of the channel without their `grpc.`."""
        # Reconnecting soon keeps the tests that restart a server short. The "minimum back-off" is how long one attempt
        # may take: a short one fails calls on a busy machine.
        options = [
            ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 5_000),
            ("grpc.max_reconnect_backoff_ms", 200), ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0),
            *((f"grpc.{name}", value) for name, value in more.items()),
        ]
        target = f"127.0.0.1:{port}"
        self.channel = (
            grpc.secure_channel(target, credentials, options) if credentials
            else grpc.insecure_channel(target, options))
        self.payments = payments_grpc.PaymentServiceStub(self.channel)
        self.small = small_grpc.PaymentsApiStub(self.channel)

    def create(self, order_id: int, amount_minor: int = 0, currency: str = "", **options: Any):
        request = payments.CreatePaymentRequest(order_id=order_id, amount_minor=amount_minor, currency=currency)
        return self.payments.CreatePayment(request, **{"timeout": TIMEOUT} | options)

    def get(self, order_id: int, **options: Any):
        return self.payments.GetPayment(
            payments.GetPaymentRequest(order_id=order_id), **{"timeout": TIMEOUT} | options)

    def settle(self, order_id: int, status: int = COMPLETED, reason: str = "", **options: Any):
        request = payments.UpdatePaymentStatusRequest(order_id=order_id, status=status, reason=reason)
        return self.payments.UpdatePaymentStatus(request, **{"timeout": TIMEOUT} | options)

    def list(self, status: int = 0, page_size: int = 0, page_token: str = "", **more: Any):
        request = payments.ListPaymentsRequest(status=status, page_size=page_size, page_token=page_token, **more)
        return self.payments.ListPayments(request, timeout=TIMEOUT)

    def watch(self, order_id: int, **options: Any):
        return self.payments.WatchPayment(
            payments.WatchPaymentRequest(order_id=order_id), **{"timeout": TIMEOUT} | options)

    def pay_status(self, order_id: int, status: bool):
        return self.small.UpdatePaymentStatus(small.PayStatus(order_id=order_id, status=status), timeout=TIMEOUT)

    def close(self) -> None:
        self.channel.close()


class Refusal:
    """A failed call: its code and the details that came with it."""

    def __init__(self, error: grpc.RpcError):
        self.code, self.message = error.code(), error.details()
        self.retry_after: float | None = None
        self.info: error_details_pb2.ErrorInfo | None = None
        self.fields: list[str] = []
        status = rpc_status.from_call(error)
        for detail in status.details if status else []:
            info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
            retry = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                self.info = info
            elif detail.Unpack(request):
                self.fields += [violation.field for violation in request.field_violations]
            elif detail.Unpack(retry):
                self.retry_after = retry.retry_delay.ToTimedelta().total_seconds()

    def __repr__(self) -> str:
        return f"{self.code} {self.message!r} {self.info and self.info.reason} {self.fields}"


def refused(call, *arguments: Any, **options: Any) -> Refusal:
    """Makes a call that must fail."""
    try:
        answer = call(*arguments, **options)
        if hasattr(answer, "__next__"):
            answer = list(answer)
    except grpc.RpcError as error:
        return Refusal(error)
    raise AssertionError(f"expected a refusal, found {answer!r}")
