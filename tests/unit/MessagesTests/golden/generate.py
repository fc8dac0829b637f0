"""Writes Golden.swift: messages as Google's protobuf serialises them. Run it after a change of a .proto file."""

import google.protobuf

import schema


def examples(classes):
    """Every field of every message with a value of its own, so that two mixed-up fields are seen."""

    def make(name, /, **fields):
        return classes[name](**fields)

    time = dict(seconds=1767323045, nanos=678901000)
    payment = dict(
        id=7, order_id=111, status=2, reason="paid by card ✓", version=2,
        created_at=dict(seconds=-1, nanos=999999000), updated_at=time, expires_at={},
        amount_minor=1999, currency="EUR",
    )  # fmt: skip
    info = make("google.rpc.ErrorInfo", reason="PAYMENT_FINAL", domain="paysaga", metadata={"order_id": "111", "": ""})
    any_info = dict(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=schema.serialize(info))
    violation = dict(field="order_id", description="must be at least 1", reason="TOO_SMALL")
    yield "payment", make("payments.v1.Payment", **payment)
    yield "unknownStatus", make("payments.v1.Payment", id=-1, order_id=2**63 - 1, status=-5, version=-(2**63))
    yield "createPayment", make("payments.v1.CreatePaymentRequest", order_id=111, amount_minor=1999, currency="EUR")
    yield "getPayment", make("payments.v1.GetPaymentRequest", order_id=300)
    yield "updatePaymentStatus", make("payments.v1.UpdatePaymentStatusRequest", order_id=111, status=3, reason="no")
    yield "listPayments", make("payments.v1.ListPaymentsRequest", status=1, page_size=-50, page_token="next")
    yield "listNewest", make("payments.v1.ListPaymentsRequest", newest_first=True, created_since=time)
    pages = make("payments.v1.ListPaymentsResponse", payments=[payment, {}, dict(id=8)], next_page_token="8")
    yield "listPaymentsResponse", pages
    yield "watchPayment", make("payments.v1.WatchPaymentRequest", order_id=111)
    yield "payStatus", make("paymentsapi.PayStatus", order_id=111, status=True)
    yield "payStatusFalse", make("paymentsapi.PayStatus", order_id=111, status=False)
    yield "pong", make("paymentsapi.Pong", pong=True)
    yield "empty", make("google.protobuf.Empty")
    yield "timestamp", make("google.protobuf.Timestamp", **time)
    yield "duration", make("google.protobuf.Duration", seconds=-3, nanos=-500000000)
    yield "any", make("google.protobuf.Any", **any_info)
    yield "status", make("google.rpc.Status", code=9, message="the payment is final", details=[any_info])
    yield "errorInfo", info
    yield "retryInfo", make("google.rpc.RetryInfo", retry_delay=dict(seconds=1, nanos=5))
    yield "badRequest", make("google.rpc.BadRequest", field_violations=[violation, dict(field="reason")])
    yield "fieldViolation", make("google.rpc.BadRequest.FieldViolation", **violation)
    yield "healthCheck", make("grpc.health.v1.HealthCheckRequest", service="payments.v1.PaymentService")
    yield "healthCheckResponse", make("grpc.health.v1.HealthCheckResponse", status=1)
    yield "healthList", make("grpc.health.v1.HealthListRequest")
    statuses = {"": dict(status=1), "payments.v1.PaymentService": dict(status=2), "b": {}}
    yield "healthListResponse", make("grpc.health.v1.HealthListResponse", statuses=statuses)
    question = dict(host="h", file_containing_extension=dict(containing_type="a.B", extension_number=-7))
    yield "reflectionRequest", make("grpc.reflection.v1.ServerReflectionRequest", **question)
    for member in ("file_by_filename", "file_containing_symbol", "all_extension_numbers_of_type", "list_services"):
        name = "reflection" + member.title().replace("_", "")
        yield name, make("grpc.reflection.v1.ServerReflectionRequest", **{member: "" if member[0] == "l" else "a.B"})
    extension = dict(containing_type="a.B", extension_number=536870911)
    yield "reflectionExtension", make("grpc.reflection.v1.ExtensionRequest", **extension)
    for name, answer in {
        "Files": dict(file_descriptor_response=dict(file_descriptor_proto=[b"", b"\xff\x00"])),
        "Numbers": dict(
            all_extension_numbers_response=dict(base_type_name="a.B", extension_number=[1, 300, -1])),
        "Services": dict(list_services_response=dict(service=[dict(name="a.S"), {}])),
        "Error": dict(error_response=dict(error_code=5, error_message="no ✗")),
    }.items():  # fmt: skip
        response = make("grpc.reflection.v1.ServerReflectionResponse", valid_host="h", original_request=question, **answer)
        yield f"reflectionAnswer{name}", response
        inner = getattr(response, response.WhichOneof("message_response"))
        yield f"reflection{name}", inner
    yield "reflectionService", make("grpc.reflection.v1.ServiceResponse", name="a.S")
    yield "allTypes", make(
        "test.AllTypes", int32_field=-1, int64_field=-2, uint32_field=3, uint64_field=2**64 - 1, sint32_field=-5,
        sint64_field=-(2**63), fixed32_field=7, fixed64_field=8, sfixed32_field=-9, sfixed64_field=-10,
        float_field=-0.0, double_field=1.5, bool_field=True, string_field="é", bytes_field=b"\x00\xff",
        child=dict(last=5), packed_int32=[1, -1, 300], packed_sint64=[-1, 1], packed_fixed32=[9],
        packed_double=[0.5], packed_bool=[True, False], unpacked_uint64=[0, 128], strings=["", "a"],
        byte_strings=[b"", b"b"], children=[{}, dict(string_field="x" * 130)], string_map={"b": "1", "a": ""}, last=1,
    )  # fmt: skip


def main():
    lines = [
        f"// Made by golden/generate.py with Python's protobuf {google.protobuf.__version__}; do not edit.",
        "// swift-format-ignore-file",
        "",
        "/// Messages as Google's protobuf serialises them, in hexadecimal.",
        "enum Golden {",
    ]
    for name, message in examples(schema.load()):
        lines.append(f'  static let {name} = "{schema.serialize(message).hex()}"')
    (schema.HERE.parent / "Golden.swift").write_text("\n".join(lines + ["}", ""]))


if __name__ == "__main__":
    main()
