"""The OpenAPI documents: right in themselves, and true of the program, which schemathesis tries out."""

import json
import re
import subprocess
import sys
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.sync_api import expect

from harness.audit import paysaga
from harness.browser import Visit, browser
from harness.direct import Answer, Direct, Gateway, new_card
from harness.documents import NAMES, Document, document
from harness.process import ROOT, Program
from harness.surfaces import Surface, gateway_with
from harness.waiting import wait_until
from harness.world import World

SURFACES = ("cards", "transactions", "payments", "demo")
AUTHORISED = {"transactions": ["--auth=user:1234"]}
ORDER = 7_000_900


@pytest.fixture(scope="module")
def saga(shared_world: World) -> Program:
    return shared_world.server()


@pytest.fixture(scope="module")
def gateway(direct: Direct, saga: Program) -> Gateway:
    direct.processor()
    return gateway_with(direct, *SURFACES, SAGA_GRPC_ADDR=f"127.0.0.1:{saga.grpc_port}")


# The documents by themselves


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_valid(name: str):
    text = (ROOT / f"api/openapi/{name}.json").read_text()
    whole = json.loads(text)
    OpenAPIV31SpecValidator(whole).validate()
    ids = [operation["operationId"] for _, _, operation in document(name).operations]
    assert len(set(ids)) == len(ids)
    for kind, parts in whole["components"].items():
        for part in parts:
            assert kind == "securitySchemes" or f'"#/components/{kind}/{part}"' in text, f"nothing uses {kind}/{part}"


def contents(found: Document) -> Any:
    """The media types of requests and answers."""
    for path, method, operation in found.operations:
        if "requestBody" in operation:
            yield f"{method} {path}", found.resolve(operation["requestBody"])["content"], False
        for status, response in operation["responses"].items():
            yield f"{method} {path} {status}", found.resolve(response).get("content", {}), True


@pytest.mark.parametrize("name", NAMES)
def test_examples_match_their_schemas(name: str):
    found, count = document(name), 0
    for where, content, is_answer in contents(found):
        for media in content.values():
            values = [each["value"] for each in media.get("examples", {}).values()]
            for value in values + ([media["example"]] if "example" in media else []):
                fault = found.fault(media["schema"], value, is_answer)
                assert fault is None, f"{where}: {fault}"
                count += 1
    for path, method, _ in found.operations:
        for each in found.parameters(path, method):
            if "example" in each:
                assert found.fault(each["schema"], each["example"], False) is None, f"{method} {path}, {each['name']}"
    assert count > 5


@pytest.mark.parametrize("path", sorted((ROOT / "api/topics").glob("*.json")), ids=lambda path: path.name)
def test_a_schema_of_a_topic_is_valid(path: Path):
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["examples"]
    for example in schema["examples"]:
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example)


def test_every_code_is_documented_and_every_documented_code_exists():
    sources = [*ROOT.glob("internal/gateway/**/*.swift"), *ROOT.glob("internal/net/HTTPServer/*.swift"),
               *ROOT.glob("internal/processing/Domain/*.swift")]
    text = "\n".join(path.read_text() for path in sources)
    known = set()
    for schema in json_parts(document("v1").json, "code"):
        known |= set(schema.get("enum", []))
    cases = set(re.findall(r"^ *case (\w+)$", text, re.MULTILINE))
    assert [code for code in sorted(known) if f'"{code}"' not in text and code not in cases] == []
    for source in ("API/Fault.swift", "Domain/RequestFault.swift"):
        codes = re.findall(r'^ *case \w+ = "(\w+)"$', (ROOT / "internal/gateway" / source).read_text(), re.MULTILINE)
        assert len(codes) > 10 and [code for code in codes if code not in known] == []


def json_parts(part: Any, name: str) -> Any:
    """The values of a field, wherever it is."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == name and isinstance(value, dict):
                yield value
            yield from json_parts(value, name)
    elif isinstance(part, list):
        for value in part:
            yield from json_parts(value, name)


# The comparison


def user_answer(status: int = 200, fields: dict | None = None, **headers: str) -> Answer:
    """An answer to a look at a user."""
    user = {"id": str(uuid.uuid4()), "name": None, "external_id": None, "created_at": "2026-11-26T15:50:40.101863Z"}
    return Answer(status, {"content-type": "application/json"} | headers, json.dumps(user | (fields or {})).encode())


def compared(answer: Answer, target: str = f"/v1/users/{uuid.uuid4()}", method: str = "GET") -> None:
    document("v1").compare(method, target, {}, None, answer)


@pytest.mark.parametrize("answer, fault", [
    (user_answer(fields={"shoe_size": 42}), "shoe_size"), (user_answer(fields={"id": "7"}), "is not a 'uuid'"),
    (user_answer(fields={"created_at": "2026-11-26"}), "is not a 'date-time'"), (user_answer(fields={"name": 7}), "name"),
    (user_answer(201), "201 is not documented"), (user_answer(**{"content-type": "text/html"}), "has the type text/html"),
    (Answer(401, {"content-type": "application/problem+json"}, b"{}"), "lacks the header field WWW-Authenticate"),
    (Answer(404, {"content-type": "application/problem+json"},
            b'{"type":"about:blank","title":"Not Found","status":404,"code":"payment_not_found","detail":""}'),
     "payment_not_found"),
])
def test_an_answer_that_is_not_documented_is_noticed(answer: Answer, fault: str):
    compared(user_answer())
    with pytest.raises(AssertionError, match=re.escape(fault)):
        compared(answer)


@pytest.mark.parametrize("target, method, fault", [
    ("/v1/users?order=name", "GET", "with the parameter order"), ("/v1/users?limit=101", "GET", "with another limit"),
    ("/v1/nothing", "GET", "is not documented"), ("/v1/payments", "POST", "without idempotency-key"),
])
def test_a_request_that_is_carried_out_and_not_documented_is_noticed(target: str, method: str, fault: str):
    page = Answer(200, {"content-type": "application/json"}, b'{"data":[],"has_more":false,"next":null}')
    compared(page, "/v1/users?limit=100")
    with pytest.raises(AssertionError, match=fault):
        compared(page if method == "GET" else taken(), target, method)


def taken() -> Answer:
    """The answer to a payment that was taken in, as the document shows it."""
    response = document("v1").json["paths"]["/v1/payments"]["post"]["responses"]["201"]
    example = response["content"]["application/json"]["examples"]["taken in"]["value"]
    return Answer(201, {"content-type": "application/json", "location": "/v1/payments/x"}, json.dumps(example).encode())


# The program


def routes(program: Program) -> dict[str, set[tuple[str, str]]]:
    """The calls that each server of the program has, as its metrics name them."""
    found: dict[str, set[tuple[str, str]]] = {}
    for labels in re.findall(r"^paysaga_http_server_request_seconds_count\{(.*)\}", program.get("/metrics")[1], re.MULTILINE):
        each = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if each["route"]:
            found.setdefault(each["surface"], set()).add((each["method"], each["route"]))
    return found


def is_page(route: str) -> bool:
    """Whether it is for people, or is a document of a surface that did not list it either."""
    return route == "/openapi.json" or route.split("/")[1] == "docs"


def test_a_document_has_the_calls_of_its_server(gateway: Gateway):
    found = routes(gateway.program)
    for name in ("v1", *SURFACES):
        calls = {(method, route) for method, route in found["gateway" if name == "v1" else name] if not is_page(route)}
        if name == "v1":
            calls = {(method, route) for method, route in calls if route.startswith("/v1/")}
        documented = {(method.upper(), path) for path, method, _ in document(name).operations}
        assert documented == calls, f"{name}: undocumented {calls - documented}, without a route {documented - calls}"


def test_each_server_has_its_document_and_a_page(gateway: Gateway):
    servers = {"v1": gateway} | {name: Surface(gateway, name) for name in SURFACES}
    for name, server in servers.items():
        path = "/v1/openapi.json" if name == "v1" else "/openapi.json"
        answer = server.call("GET", path)
        assert answer.status == 200 and answer.headers["content-type"] == "application/json"
        assert answer.body == (ROOT / f"api/openapi/{name}.json").read_bytes()
        page = server.call("GET", "/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert f'href="{path}"' in page.body.decode()
        policy = page.headers["content-security-policy"]
        assert policy == "default-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        for asset, kind in (("docs.js", "text/javascript"), ("docs.css", "text/css")):
            found = server.call("GET", f"/docs/{asset}")
            assert found.headers["content-type"].startswith(kind) and f"/docs/{asset}" in page.body.decode()
            # Nothing comes from elsewhere.
            assert b"//" not in re.sub(rb"^\s*// .*$", b"", found.body, flags=re.MULTILINE)


def test_the_page_shows_every_call(gateway: Gateway):
    ports = {"v1": gateway.program.http_port} | {name: gateway.program.surface_port(name) for name in SURFACES}
    with browser() as chromium:
        for name, port in ports.items():
            operations = [operation for _, _, operation in document(name).operations]
            last = operations[-1]["operationId"]
            with Visit(chromium, port, width=360, color_scheme="dark") as visit:
                visit.page.goto(f"/docs#{last}")
                expect(visit.page.locator("article")).to_have_count(len(operations))
                expect(visit.page.locator(f"#{last} > details")).to_have_attribute("open", "")
                visit.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
                shown = visit.page.inner_text("body")
                assert "[object" not in shown and "undefined" not in shown
                assert all(operation["summary"] in shown for operation in operations)
                assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
                visit.page.get_by_label("Find a call").fill(operations[0]["summary"])
                expect(visit.page.locator("article:not(.gone)")).to_have_count(
                    sum(operations[0]["summary"] in operation["summary"] for operation in operations))


def prepared(gateway: Gateway) -> dict[str, str]:
    """What the examples name, and what is there instead."""
    user = str(uuid.uuid4())
    paid = gateway.paid(new_card(), user_id=user, amount=5000)
    account = gateway.open_account(user, 5000)
    kept = gateway.post("/v1/payment_methods", {"user_id": user, "type": "token", "token": paid["bank_token"]})
    names = json.loads((ROOT / "api/openapi/v1.json").read_text())["paths"]
    bodies = names["/v1/payments"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    return {
        bodies["token"]["value"]["user_id"]: user, bodies["token"]["value"]["method"]["token"]: paid["bank_token"],
        bodies["balance"]["value"]["method"]["account_id"]: account,
        bodies["saved"]["value"]["method"]["payment_method_id"]: kept.json["id"], "order-111": f"order-{ORDER}",
        "{payment}": paid["id"], "{account}": account,
    }


def test_the_examples_of_requests_are_carried_out(gateway: Gateway, shared_world: World, saga: Program):
    client = shared_world.client(saga)
    client.create(ORDER, 1999, "EUR")
    names, done = prepared(gateway), 0
    for path, method, operation in document("v1").operations:
        examples = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
        if path.endswith(("/cancel", "/review")):
            continue
        target = path.replace("{id}", names["{account}" if "accounts" in path else "{payment}"])
        for example in examples.values():
            text = json.dumps(example["value"]).replace('"order_id": 111', f'"order_id": {ORDER}')
            for old, new in names.items():
                text = text.replace(old, new)
            answer = gateway.call(method.upper(), target, text.encode(), Idempotency_Key=str(uuid.uuid4()))
            assert answer.status in (200, 201), (target, text, answer)
            done += 1
    assert done > 12


# Schemathesis


def try_out(name: str, port: int, directory: Path, *options: str) -> str:
    """Has schemathesis draw calls from a document, and compare what it is answered; what it found."""
    log = directory / f"schemathesis-{name}.log"
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", str(ROOT / f"api/openapi/{name}.json"),
        f"--url=http://127.0.0.1:{port}", "--phases=examples,coverage,fuzzing,stateful", "--max-examples=5", "--seed=1",
        # A schema cannot say which cursors there are, or that a key was used for another request.
        "--checks=all", "--exclude-checks=positive_data_acceptance",
        # One thread: in Python 3.11 two that read source at once fail.
        "--workers=1", "--generation-database=none", "--no-color", *options]
    with open(log, "wb") as output:
        done = subprocess.run(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=200, check=False)
    return "" if done.returncode == 0 else log.read_text(errors="replace")[-6000:]


def options_of(name: str, direct: Direct, gateway: Gateway) -> tuple[int, list[str]]:
    """The port of a server, and who calls it. `/v1` is tried with an API key, so that it must ask for one."""
    if name != "v1":
        return gateway.program.surface_port(name), AUTHORISED.get(name, [])
    keyed = direct.gateway(GATEWAY_AUTH="keys", SAGA_GRPC_ADDR=gateway.program.environment["SAGA_GRPC_ADDR"])
    made = paysaga(direct.world, "keys", "create", "--name", "schemathesis", "--scopes", "pay,read,refund,ledger,review",
                   **direct.settings)
    assert made.status == 0, made
    secret = f"Bearer {made.lines[0]['secret']}"
    wait_until(lambda: keyed.get("/v1/payments", Authorization=secret).status == 200, "the key is taken")
    # Streams may have no end.
    return keyed.program.http_port, [f"--header=Authorization: {secret}", "--exclude-path-regex=/events$"]


@pytest.fixture(scope="module")
def tried(direct: Direct, gateway: Gateway, directory: Path) -> Iterator[dict[str, Future]]:
    """What is found in each document, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        servers = {name: options_of(name, direct, gateway) for name in ("v1", *SURFACES)}
        yield {name: pool.submit(try_out, name, port, directory, *options) for name, (port, options) in servers.items()}


@pytest.mark.parametrize("name", ("v1", *SURFACES))
def test_schemathesis_finds_no_fault(tried: dict[str, Future], name: str):
    found = tried[name].result()
    assert not found, found
