"""The example of docs/grpc.md: a service that is not ours on the RPC core, called by grpcio."""

import importlib
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from grpc_tools import protoc

from harness.process import BINARIES, ROOT, Process, clean_environment

SOURCE = ROOT / "tests/grpc-example"
LET_IN = {"metadata": (("authorization", "Bearer sesame"),), "timeout": 10}


def test_the_document_holds_the_example():
    document = Path(ROOT, "docs/grpc.md").read_text()
    assert f"```swift\n{(SOURCE / 'main.swift').read_text()}```" in document
    assert f"```proto\n{(SOURCE / 'prices.proto').read_text()}```" in document


def test_another_service_uses_the_core(tmp_path: Path):
    descriptors = tmp_path / "prices.pb"
    assert protoc.main([
        "protoc", f"-I{SOURCE}", "--include_imports", f"--descriptor_set_out={descriptors}", f"--python_out={tmp_path}",
        f"--grpc_python_out={tmp_path}", "prices.proto"]) == 0
    sys.path.insert(0, str(tmp_path))
    prices, stubs = importlib.import_module("prices_pb2"), importlib.import_module("prices_pb2_grpc")
    server = Process("grpc-example", [str(BINARIES / "grpc-example"), "127.0.0.1:0", str(descriptors)],
                     clean_environment(), tmp_path / "log")
    server.start()
    port = server.wait_for_output(r"prices: serving port=(\d+)")[1]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = stubs.PricesStub(channel)
        tea, coffee = prices.Item(name="tea"), prices.Item(name="coffee")
        assert stub.Get(tea, **LET_IN) == prices.Price(name="tea", cents=250)
        assert [price.cents for price in stub.History(tea, **LET_IN)] == [230, 240, 250]
        total, call = stub.Total.with_call(iter([tea, coffee, tea]), **LET_IN)
        assert total.cents == 820
        assert dict(call.trailing_metadata())["x-answered-for"].startswith("ipv4:127.0.0.1:")
        assert [price.cents for price in stub.Ask(iter([coffee, tea]), **LET_IN)] == [320, 250]

        with pytest.raises(grpc.RpcError) as refused:
            stub.Get(tea, timeout=10)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.RpcError) as refused:
            stub.Get(prices.Item(name="milk"), **LET_IN)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
        info = error_details_pb2.ErrorInfo()
        assert rpc_status.from_call(refused.value).details[0].Unpack(info) and info.reason == "UNKNOWN_ITEM"

        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=10).status == 1
        database = ProtoReflectionDescriptorDatabase(channel)
        assert "shop.v1.Prices" in database.get_services()
        assert descriptor_pool.DescriptorPool(database).FindServiceByName("shop.v1.Prices").methods_by_name["Ask"]
    assert server.stop() == 0
    assert 'grpc_server_handled_total{grpc_type="unary",grpc_service="shop.v1.Prices",grpc_method="Get",grpc_code="NOT_FOUND"} 1' \
        in server.printed
    assert "call ended method=/shop.v1.Prices/Get" in server.output
