"""The OpenAPI documents of api/openapi, and what servers answer, compared with them."""

import json
import re
import uuid
from datetime import datetime
from functools import cache
from typing import Any, Iterator
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator, FormatChecker

from .process import ROOT

NAMES = sorted(path.stem for path in (ROOT / "api/openapi").glob("*.json"))
METHODS = ("get", "post", "put", "patch", "delete")
FORMATS = FormatChecker(formats=())


@FORMATS.checks("uuid")
def _is_uuid(value: Any) -> bool:
    try:
        return not isinstance(value, str) or str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


@FORMATS.checks("date-time")
def _is_date_time(value: Any) -> bool:
    if not isinstance(value, str):
        return True
    try:
        # Without a zone it names no moment.
        return "T" in value and datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo is not None
    except ValueError:
        return False


def closed(schema: Any) -> Any:
    """A schema whose objects have no fields but those it names: what an answer has must be documented."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {name: closed(value) for name, value in schema.items()}
    if copy.get("type") == "object" and "properties" in copy:
        copy.setdefault("additionalProperties", False)
    return copy


class Document:
    """One of the documents: v1, cards, transactions, payments or demo."""

    def __init__(self, name: str):
        self.name = name
        self.json = json.loads((ROOT / f"api/openapi/{name}.json").read_text())
        self._closed = closed(self.json["components"])
        self._validators: dict[str, Draft202012Validator] = {}
        # Words come before placeholders, as in the router.
        self._paths = sorted(
            ((re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), path) for path in self.json["paths"]),
            key=lambda each: each[1].count("{"))

    @property
    def operations(self) -> Iterator[tuple[str, str, dict]]:
        """Path, method and operation."""
        for path, item in self.json["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method]

    def resolve(self, part: dict) -> dict:
        while "$ref" in part:
            found: Any = self.json
            for step in part["$ref"].removeprefix("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            part = found
        return part

    def parameters(self, path: str, method: str) -> list[dict]:
        item = self.json["paths"][path]
        return [self.resolve(each) for each in item.get("parameters", []) + item[method].get("parameters", [])]

    def fault(self, schema: dict, value: Any, is_answer: bool) -> str | None:
        """Why a value does not match a schema of the document."""
        key = f"{is_answer} {json.dumps(schema)}"
        if key not in self._validators:
            whole = {"allOf": [closed(schema) if is_answer else schema],
                     "components": self._closed if is_answer else self.json["components"]}
            self._validators[key] = Draft202012Validator(whole, format_checker=FORMATS)
        found = next(self._validators[key].iter_errors(value), None)
        return found and f"{found.json_path}: {found.message}"

    def compare(self, method: str, target: str, fields: dict[str, str], content: bytes | None, answer: Any) -> None:
        """Fails when an answer, or a request that was carried out, is not what the document says.

        The answer has a status, headers with small letters and a body."""
        path = urlsplit(target).path
        name = next((path_name for pattern, path_name in self._paths if pattern.fullmatch(path)), None)
        operation = self.json["paths"].get(name, {}).get(method.lower())
        if operation is None:
            # Pages are no calls.
            assert answer.status >= 400 or not path.startswith("/v1/"), f"{self.name}: {method} {path} is not documented"
            return
        where = f"{self.name}: {method} {name} {answer.status}"
        assert str(answer.status) in operation["responses"], f"{where} is not documented: {answer.body[:500]!r}"
        self._compare_answer(where, self.resolve(operation["responses"][str(answer.status)]), answer)
        if answer.status < 300:
            self._compare_request(where, name, method.lower(), target, fields, content)

    def _compare_answer(self, where: str, response: dict, answer: Any) -> None:
        for name, header in response.get("headers", {}).items():
            header, value = self.resolve(header), answer.headers.get(name.lower())
            assert value is not None or not header.get("required"), f"{where} lacks the header field {name}"
            if value is not None:
                fault = self.fault(header["schema"], typed(header["schema"], value), True)
                assert fault is None, f"{where}, {name}: {fault}"
        contents = response.get("content", {})
        if not contents:
            assert not answer.body, f"{where} has a body that is not documented"
            return
        kind = answer.headers.get("content-type", "").partition(";")[0]
        assert kind in contents, f"{where} has the type {kind}"
        if "json" in kind:
            fault = self.fault(contents[kind]["schema"], json.loads(answer.body), True)
            assert fault is None, f"{where}: {fault}\n{answer.body[:2000]!r}"

    def _compare_request(
        self, where: str, path: str, method: str, target: str, fields: dict[str, str], content: bytes | None
    ) -> None:
        known = {each["name"].lower(): each for each in self.parameters(path, method) if each["in"] == "header"}
        given = {name.lower(): value for name, value in fields.items()}
        for name, parameter in known.items():
            assert name in given or not parameter.get("required"), f"{where} was carried out without {name}"
        query = {each["name"]: each for each in self.parameters(path, method) if each["in"] == "query"}
        items = parse_qsl(urlsplit(target).query, keep_blank_values=True)
        values = [(query.get(name), name, value) for name, value in items]
        values += [(parameter, name, given[name]) for name, parameter in known.items() if name in given]
        for parameter, name, value in values:
            assert parameter is not None, f"{where} was carried out with the parameter {name}"
            fault = self.fault(parameter["schema"], typed(self.resolve(parameter["schema"]), value), False)
            assert fault is None, f"{where} was carried out with another {name}: {fault}"
        operation = self.json["paths"][path][method]
        if content and "requestBody" in operation:
            media = self.resolve(operation["requestBody"])["content"]["application/json"]
            fault = self.fault(media["schema"], json.loads(content), False)
            assert fault is None, f"{where} was carried out with another body: {fault}"


def typed(schema: dict, text: str) -> Any:
    """The value of a parameter or header field."""
    return int(text) if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text) else text


@cache
def document(name: str) -> Document:
    return Document(name)


def compare(name: str, method: str, target: str, fields: dict[str, str], content: bytes | None, answer: Any) -> None:
    """Compares an answer of a server with its document, if there is one of that name."""
    if name in NAMES:
        document(name).compare(method, target, fields, content, answer)
