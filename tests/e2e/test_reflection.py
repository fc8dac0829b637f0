"""Server reflection through grpcio-reflection's client: services and messages learnt from the server alone."""

import queue

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from harness.process import Program
from harness.rpc import TIMEOUT, Client, refused
from harness.world import World

APIS = ["payments.v1.PaymentService", "paymentsapi.PaymentsApi", "grpc.health.v1.Health"]
REFLECTIONS = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]


@pytest.fixture(scope="module")
def server(shared_world: World) -> Program:
    return shared_world.server()


@pytest.fixture(scope="module")
def client(shared_world: World, server: Program) -> Client:
    return shared_world.client(server)


class Stranger:
    """A caller without a .proto file: what it knows, `find` has told it."""

    def __init__(self, channel: grpc.Channel, pool: descriptor_pool.DescriptorPool):
        self.channel, self.pool = channel, pool

    def message(self, name: str):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def call(self, service: str, method: str, **fields):
        found = self.pool.FindServiceByName(service).methods_by_name[method]
        request = message_factory.GetMessageClass(found.input_type)(**fields)
        response = message_factory.GetMessageClass(found.output_type)
        stub = self.channel.unary_unary(f"/{service}/{method}", type(request).SerializeToString, response.FromString)
        return stub(request, timeout=TIMEOUT)


def settle_as_a_stranger(stranger: Stranger, order: int) -> None:
    service = "payments.v1.PaymentService"
    created = stranger.call(service, "CreatePayment", order_id=order, amount_minor=1299, currency="EUR")
    assert created.created_at.ToNanoseconds() > 0, "the well-known types came along"
    status = created.DESCRIPTOR.fields_by_name["status"].enum_type
    completed = status.values_by_name["PAYMENT_STATUS_COMPLETED"].number
    settled = stranger.call(service, "UpdatePaymentStatus", order_id=order, status=completed, reason="reflected")
    assert (settled.order_id, settled.status, settled.reason) == (order, completed, "reflected")
    assert stranger.call(service, "GetPayment", order_id=order) == settled


def test_the_stock_client_lists_the_services_and_settles_a_payment(client: Client):
    database = ProtoReflectionDescriptorDatabase(client.channel)
    assert set(database.get_services()) == {*APIS, *REFLECTIONS}
    settle_as_a_stranger(Stranger(client.channel, descriptor_pool.DescriptorPool(database)), 7001)


def test_every_service_of_the_list_is_described(client: Client):
    database = ProtoReflectionDescriptorDatabase(client.channel)
    pool = descriptor_pool.DescriptorPool(database)
    for service in database.get_services():
        assert pool.FindServiceByName(service).methods, service
    # What our statuses carry, too.
    for name in ("google.rpc.Status", "google.rpc.ErrorInfo", "google.rpc.BadRequest", "google.protobuf.Empty"):
        assert pool.FindMessageTypeByName(name).full_name == name
    assert database.FindFileByName("payments/v1/payments.proto").package == "payments.v1"
    assert list(database.FindAllExtensionNumbers("payments.v1.Payment")) == []
    for unknown in ("nobody.Nothing", "payments.v1"):
        with pytest.raises(KeyError):
            database.FindFileContainingSymbol(unknown)


@pytest.mark.parametrize("service", REFLECTIONS)
def test_both_versions_settle_a_payment(client: Client, service: str):
    """Stubs of the reflection service itself are made from the descriptor the server gives of it."""
    bootstrap = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(client.channel))
    method = bootstrap.FindServiceByName(service).methods_by_name["ServerReflectionInfo"]
    request_type = message_factory.GetMessageClass(method.input_type)
    response_type = message_factory.GetMessageClass(method.output_type)
    assert request_type.DESCRIPTOR.full_name == service.replace("ServerReflection", "ServerReflectionRequest")
    ask = client.channel.stream_stream(
        f"/{service}/ServerReflectionInfo", request_type.SerializeToString, response_type.FromString)
    questions = [request_type(host="h", list_services=""), request_type(file_containing_symbol=APIS[0]),
                 request_type(file_by_filename="nothing.proto"), request_type()]
    answers = list(ask(iter(questions), timeout=TIMEOUT))
    assert [answer.original_request for answer in answers] == questions
    assert answers[0].valid_host == "h"
    assert {one.name for one in answers[0].list_services_response.service} == {*APIS, *REFLECTIONS}
    assert [answer.error_response.error_code for answer in answers[2:]] == [
        grpc.StatusCode.NOT_FOUND.value[0], grpc.StatusCode.INVALID_ARGUMENT.value[0]]
    pool = descriptor_pool.DescriptorPool()
    # The file comes first and its imports after it; a pool wants them the other way round.
    for file in reversed(answers[1].file_descriptor_response.file_descriptor_proto):
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
    settle_as_a_stranger(Stranger(client.channel, pool), 7002 + REFLECTIONS.index(service))


def test_questions_may_come_one_after_the_other(client: Client):
    """Bidirectional: each answer comes before the next question is sent."""
    database = ProtoReflectionDescriptorDatabase(client.channel)
    request_type = message_factory.GetMessageClass(descriptor_pool.DescriptorPool(database).FindMessageTypeByName(
        "grpc.reflection.v1.ServerReflectionRequest"))
    ask = client.channel.stream_stream(
        f"/{REFLECTIONS[0]}/ServerReflectionInfo", request_type.SerializeToString, lambda answer: answer)
    questions: queue.Queue = queue.Queue()
    answers = ask(iter(questions.get, None), timeout=TIMEOUT)
    for number in range(50):
        questions.put(request_type(host=str(number), list_services=""))
        assert str(number).encode() in next(answers)
    questions.put(None)
    assert list(answers) == []


def test_it_can_be_switched_off(shared_world: World):
    client = shared_world.client(shared_world.server(SERVER_REFLECTION="false"))
    for service in REFLECTIONS:
        method = client.channel.stream_stream(
            f"/{service}/ServerReflectionInfo", lambda value: value, lambda value: value)
        assert refused(method, iter([b""]), timeout=TIMEOUT).code == grpc.StatusCode.UNIMPLEMENTED
