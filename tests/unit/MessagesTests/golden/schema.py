"""Our .proto files as Google's Python protobuf sees them, and one text form of a message that both sides can make."""

import os
import struct
import tempfile
from pathlib import Path

# The default, upb, writes the map key "ab" before "a"; this one sorts as C++ and Java do.
os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")

import grpc_tools
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as Field
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
API = HERE.parents[3] / "api"

NAMES = [
    "payments.v1.Payment",
    "payments.v1.CreatePaymentRequest",
    "payments.v1.GetPaymentRequest",
    "payments.v1.UpdatePaymentStatusRequest",
    "payments.v1.ListPaymentsRequest",
    "payments.v1.ListPaymentsResponse",
    "payments.v1.WatchPaymentRequest",
    "paymentsapi.PayStatus",
    "paymentsapi.Pong",
    "google.protobuf.Empty",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
    "google.protobuf.Any",
    "google.rpc.Status",
    "google.rpc.ErrorInfo",
    "google.rpc.RetryInfo",
    "google.rpc.BadRequest",
    "google.rpc.BadRequest.FieldViolation",
    "grpc.health.v1.HealthCheckRequest",
    "grpc.health.v1.HealthCheckResponse",
    "grpc.health.v1.HealthListRequest",
    "grpc.health.v1.HealthListResponse",
    "grpc.reflection.v1.ServerReflectionRequest",
    "grpc.reflection.v1.ExtensionRequest",
    "grpc.reflection.v1.ServerReflectionResponse",
    "grpc.reflection.v1.FileDescriptorResponse",
    "grpc.reflection.v1.ExtensionNumberResponse",
    "grpc.reflection.v1.ListServiceResponse",
    "grpc.reflection.v1.ServiceResponse",
    "grpc.reflection.v1.ErrorResponse",
    "test.AllTypes",
]


def load():
    """The message classes by full name, in a descriptor pool of their own."""
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    files = [str(path) for path in sorted(API.rglob("*.proto"))] + [str(HERE / "all_types.proto")]
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "all.pb")
        arguments = ["protoc", f"-I{API}", f"-I{HERE}", f"-I{well_known}", "--include_imports"]
        if protoc.main(arguments + [f"--descriptor_set_out={out}"] + files) != 0:
            raise SystemExit("protoc refused the .proto files")
        files = descriptor_pb2.FileDescriptorSet.FromString(Path(out).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in NAMES}


def serialize(message):
    return message.SerializeToString(deterministic=True)


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_repeated(field):
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == Field.LABEL_REPEATED


def text(message):
    """`{name:value,...}` with all fields in the order of their numbers, absent messages as `-`."""
    parts = []
    for field in sorted(message.DESCRIPTOR.fields, key=lambda field: field.number):
        value = getattr(message, field.name)
        if is_map(field):
            shown = field.message_type.fields_by_name["value"]
            entries = sorted((key.encode(), one(shown, value[key])) for key in value)
            body = "[" + ",".join(f"{key.hex()}={entry}" for key, entry in entries) + "]"
        elif is_repeated(field):
            body = "[" + ",".join(one(field, element) for element in value) + "]"
        elif field.message_type is not None and not message.HasField(field.name):
            body = "-"
        else:
            body = one(field, value)
        parts.append(f"{field.name}:{body}")
    return "{" + ",".join(parts) + "}"


def one(field, value):
    if field.type == Field.TYPE_MESSAGE:
        return text(value)
    if field.type == Field.TYPE_STRING:
        return value.encode().hex()
    if field.type == Field.TYPE_BYTES:
        return value.hex()
    if field.type == Field.TYPE_BOOL:
        return "true" if value else "false"
    if field.type == Field.TYPE_FLOAT:
        return struct.pack(">f", value).hex()
    if field.type == Field.TYPE_DOUBLE:
        return struct.pack(">d", value).hex()
    return str(value)
