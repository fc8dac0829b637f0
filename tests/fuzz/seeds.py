"""Writes the seeds of the fuzz targets into tests/fuzz/corpus, each made by another implementation than ours: Google's
protobuf, Python's json, hpack and hyperframe.

    .local/venv/bin/python -m pip install hpack hyperframe
    .local/venv/bin/python tests/fuzz/seeds.py

Inputs that a fuzzer found lie beside them under names that start with `found-`; they are left alone.
"""

import base64
import gzip
import json
import random
import struct
import sys
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, PriorityFrame, RstStreamFrame,
    SettingsFrame, WindowUpdateFrame)

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
sys.path.insert(0, str(HERE.parent / "unit/MessagesTests/golden"))
import peer  # noqa: E402
import schema  # noqa: E402


RECORD_HEADERS = [
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("dlq_requeues", b"9" * 19),
    ("dlq_error", None), ("dlq_partition", b"-1"), ("\u00e9", b"\xff\x00")]


def record(value: bytes | None, time: int = 1_700_000_000_000, offset: int = 7, partition: int = 3,
           key: bytes | None = b"111", headers=()) -> bytes:
    """A record as RecordInput.swift lays it out."""
    fields = [key, value] + [part for name, content in headers for part in (name.encode(), content)]
    laid = b"".join(struct.pack(">H", 0xFFFF) if part is None else struct.pack(">H", len(part)) + part
                    for part in fields)
    return struct.pack(">qqi", time, offset, partition) + laid


def records() -> None:
    message = json.dumps({"idempotent_key": KEY, "order_id": 111, "status": "COMPLETED"}).encode()
    trace = RECORD_HEADERS[0]
    seeds = {
        "plain": record(message), "null": record(None, key=None), "headers": record(message, headers=RECORD_HEADERS),
        "two-traces": record(message, headers=[trace, trace]), "late": record(message, time=2**63 - 1),
        "early": record(message, time=-2**63), "last-offset": record(message, offset=2**63 - 1),
        "below-zero": record(message, offset=-1, partition=-1), "last-partition": record(message, partition=2**31 - 1),
        "later-trace": record(message, headers=[("traceparent", b"cc" + trace[1][2:] + b"-more")]),
        "claim": record(message, key=b"111/0/"), "strange-claim": record(message, key=b"9223372036854775808/0/"),
    }
    for name, content in seeds.items():
        write("records", name, content)


def risk() -> None:
    """The first byte says rules, features or counts; counts are as RiskHistory.swift packs them."""
    def number(value: int) -> bytes:
        groups = []
        while value >= 0x80:
            groups.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes(groups + [value])

    def bucket(window: int, place: int, currency: bytes, count: int, total: int) -> bytes:
        return bytes([window]) + number(place) + currency + number(count) + number(total)

    limit = {"name": "card_burst", "points": 80, "subject": "card", "window": "1m", "count_above": 20}
    much = {"name": "much", "points": 40, "subject": "payee", "window": "24h", "sum_above": {"EUR": 5, "JPY": 2**63 - 1}}
    large = {"name": "large", "points": 99, "methods": ["card", "token"], "amount_above": {"EUR": 0}}
    counts = {"1m": [1, 2], "1h": [0, 0], "24h": [2**63 - 1, 2**63 - 1]}
    start = 1_800_000_000
    buckets = [bucket(window, start // width, currency, 3, 2**63 - 1)
               for window, width in enumerate([5, 60, 1_800]) for currency in [b"EUR", b"JPY"]]
    seeds = {
        "none": {"rules": []}, "limit": {"rules": [limit]}, "sum": {"rules": [much, limit]}, "large": {"rules": [large]},
        "many": {"rules": [{**large, "name": f"r{place}"} for place in range(7)]}, "twice": {"rules": [limit, limit]},
        "unknown": {"rules": [{**limit, "note": 1}]},
    }
    for name, rules in seeds.items():
        write("risk", f"rules-{name}", b"\0" + json.dumps(rules).encode())
    for name, features in {"empty": {}, "listed": {"listed": "block_list.card"}, "counted": {"card": counts},
                           "both": {"listed": "allow_list.user", "user": counts, "account": counts}}.items():
        write("risk", f"features-{name}", b"\1" + json.dumps(features).encode())
    for name, laid in {"empty": b"", "six": b"".join(buckets), "order": buckets[1] + buckets[0],
                       "cut": buckets[0][:-1], "long": buckets[0][:-9] + b"\x80" * 9 + b"\1"}.items():
        write("risk", f"counts-{name}", b"\2\1" + laid)


def statements() -> None:
    """The first byte says in pieces of how many bytes it comes."""
    names = "operation_id,amount,currency,status,time\n"
    one, two = "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10", "0198C5B2-6C1E-7D55-8A1B-3F2F0A9C7E11"
    noon = "2026-11-26T12:00:00Z"

    def row(*fields: str) -> str:
        return ",".join(fields) + "\n"

    def line(identity: str, amount: str, currency: str, status: str, at: str) -> str:
        return (f'{{"operation_id":"{identity}","amount":{amount},"currency":"{currency}","status":"{status}",'
                f'"time":"{at}"}}\n')

    charge = row(one, "19.99", "EUR", "succeed", noon)
    seeds = {
        "csv": names + charge + row(two, "1999", "JPY", "error", "2026-11-26T13:00:00+01:00"),
        "csv-crlf": (names + row(one, "1.999", "KWD", "reversed", "2026-11-26T12:00:00.123456Z")).replace("\n", "\r\n"),
        "csv-quoted": f'"time","note","operation_id",amount,currency,status\n"{noon}","two\nlines, ""said""",'
                      f'"{one}","5",EUR,succeed\n',
        "csv-mark": "\ufeff" + names + row(one, "0", "EUR", "error", noon),
        "csv-blank-lines": "\n\n" + names + "\n" + charge + "\n\r\n",
        "csv-no-names": charge, "csv-open-quote": names + '"' + charge, "csv-names-only": names.strip(),
        "csv-amounts": names + "".join(
            row(one, amount, "EUR", "succeed", noon) for amount in ("92233720368547758.07", "1e3", "-1")),
        "json": line(one, "19.99", "EUR", "succeed", noon) + line(two, '"1999"', "JPY", "error", "0001-01-01T00:00:00Z"),
        "json-order": '{"x":[{"y":null}],"amount":1,"currency":"EUR","operation_id":"%s","status":"reversed",'
                      '"time":"9999-12-31T23:59:59Z"}' % one,
        "json-then-csv": line(one, "1", "EUR", "succeed", noon) + names,
        "json-twice": '{"amount":1,"amount":2,"currency":"EUR"}\n',
    }
    for place, (name, text) in enumerate(seeds.items()):
        write("statements", name, bytes([5 * place]) + text.encode())


def bank() -> None:
    """The first byte says call (charge, inquire, reverse) and status, the first line is the media type."""
    operation, user = str(UUID(int=5 << 64 | 1)), str(UUID(int=2 << 64 | 2))
    paid = {"operation_id": operation, "user_id": user, "status": "succeed", "error": "", "amount": 19.99,
            "currency": "EUR", "card_token": "tok_1"}
    unknown = {"operation_id": operation, "error": "no such payment"}

    def answer(fields: object, call: int = 0, status: int = 0, media: str = "application/json") -> bytes:
        return bytes([call + 3 * status]) + media.encode() + b"\n" + json.dumps(fields).encode()

    seeds = {
        "paid": answer(paid), "found": answer(paid, call=1), "declined": answer({**paid, "status": "error", "error": "no"}),
        "reversed": answer({"operation_id": operation, "status": "reversed"}, call=2),
        "undone": answer({**paid, "status": "reversed"}, call=2), "processing": answer({**paid, "status": "processing"}),
        "unknown": answer(unknown, call=1, status=1), "unknown-charge": answer(unknown, status=1),
        "other-404": answer({"detail": "Not Found"}, call=1, status=1), "text": answer({**paid, "amount": "19.99"}),
        "other-amount": answer({**paid, "amount": 19.98}), "other-currency": answer({**paid, "currency": "USD"}),
        "other-id": answer({**paid, "operation_id": user}), "other-user": answer({**paid, "user_id": operation}),
        "nulls": answer({name: None for name in paid}), "words": answer({**paid, "error": "\u202e\n" + "\u00e4" * 300}),
        "number": answer({**paid, "status": "error", "error": "4242 4242 4242 4242"}),
        "html": answer(paid, media="text/html"), "charset": answer(paid, media="Application/JSON ; charset=utf-8"),
        "failed": answer(paid, status=2), "unauthorized": answer(paid, status=3), "deep": answer([[[[[[paid]]]]]]),
        "upper": answer({**paid, "operation_id": operation.upper()}),
    }
    for name, content in seeds.items():
        write("bank", name, content)


def surfaces() -> None:
    """Bodies for the surfaces of older systems."""
    user = "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11"
    card = {"user_id": user, "amount": 999.99, "card_number": 1111222233334444, "card_holder_name": "NAME NAME", "cvv": 123}
    payment = {"userId": user, "accountNumber": "10000000001", "amount": 100.5, "description": "книга"}
    bodies = {
        "card": card, "card-texts": card | {"card_number": "4242424242424242", "cvv": "042", "amount": "1e2"},
        "card-cvv": card | {"cvv": 7}, "card-wrong": card | {"card_number": 4242424242424241},
        "card-amount": card | {"amount": 1.001}, "payment": payment,
        "payment-server": payment | {"paymentId": user, "created": None, "state": "completed", "extPaymentDetails": "x"},
        "payment-text": payment | {"userId": "ann", "amount": " 19.990 "},
        "payment-wrong": {"userId": 5, "state": "done", "accountNumber": 17, "amount": "ten", "description": {}},
        "empty": {},
    }
    transaction = {"userName": "Иван", "amount": 100, "currency": "JPY"}
    bodies |= {
        "transaction": transaction, "transaction-text": transaction | {"amount": "2147483647", "currency": "BYN"},
        "transaction-wrong": {"userName": "ab", "amount": 2147483648, "currency": "GBP", "more": [{}]},
        "transaction-card": transaction | {"userName": "4242 4242 4242 4242", "amount": -1},
    }
    ids = {name: str(UUID(int=n << 64 | n)) for n, name in enumerate(("user_id", "payee_id", "payment_method_id"), 1)}
    request = ids | {"payment_request_id": user, "amount": "12.500000", "currency": "USD"}
    bodies |= {
        "demo-user": {"user_id": f"urn:uuid:{user}", "first_name": "Ann", "last_name": None},
        "demo-method": {"payment_method_id": "{" + user.replace("-", "") + "}", "name": "4242424242424242"},
        "demo-request": request, "demo-number": request | {"amount": 1e-6}, "demo-large": request | {"amount": 10 ** 14},
        "demo-wrong": {"user_id": 5, "payee_id": None, "amount": "NaN", "currency": "usd"},
        "demo-places": request | {"amount": "0.0000001"},
    }
    for name, body in bodies.items():
        write("surfaces", name, json.dumps(body, ensure_ascii=len(name) % 2 == 0, indent=len(name) % 3 or None).encode())
    write("surfaces", "cut", json.dumps(payment).encode()[:40])
    write("surfaces", "list", b"[1, 2]")


def requests() -> None:
    """A body of POST /v1/payments, or behind a question mark the parameters of a list."""
    user, payee, account = (str(UUID(int=n << 64 | n)) for n in (1, 2, 3))
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvv": "123", "holder": "A PERSON"}
    good = {"user_id": user, "payee_id": payee, "external_id": "shop-7", "order_id": 111, "amount": 1999,
            "currency": "EUR", "description": "Two b\u00f6\u00f6ks", "metadata": {"b": "2", "a": "\u202e\u2028"},
            "method": {"type": "account", "number": "40817810099910004312"}}
    methods = {
        "card": {"type": "card", "card": card}, "token": {"type": "token", "token": "tok_12345678"},
        "balance": {"type": "balance", "account_id": account}, "expired": {"type": "card", "card": {**card, "exp_year": 2020}},
        "luhn": {"type": "card", "card": {**card, "number": "4242424242424241"}}, "cash": {"type": "cash"},
        "both": {"type": "account", "number": "1", "token": "2"},
        "saved": {"type": "saved", "payment_method_id": account}, "numeric": {"type": "card", "card": {**card, "number": 42}},
    }
    bodies = {
        "good": good, "nulls": {**{name: None for name in good}, "user_id": user, "amount": "1", "currency": "JPY"},
        "text": {**good, "amount": "1999"}, "fraction": {**good, "amount": 19.99}, "zero": {**good, "amount": 0},
        "large": {**good, "amount": 10 ** 15}, "larger": {**good, "amount": 10 ** 400}, "same": {**good, "payee_id": user},
        "unknown": {**good, "colour": "red"}, "number": {**good, "description": "4242 4242 4242 4242"},
        "names": {**good, "metadata": {f"k{n}": "v" for n in range(51)}}, "deep": {**good, "metadata": {"a": {"b": {}}}},
        **{name: {**good, "method": method} for name, method in methods.items()},
    }
    for name, body in bodies.items():
        write("requests", name, json.dumps(body, ensure_ascii=len(name) % 2 == 0, indent=len(name) % 3 or None).encode())
    lists = {
        "list": f"?user_id={user}&status=UNKNOWN&from=2026-01-31T08:15:00Z&to=2026-02-01T00:00:00.5+01:00&limit=100",
        "list-order": "?order_id=111&external_id=shop-7", "list-after": "?after=" + "0" * 40, "list-twice": "?limit=1&limit=2",
        "list-backwards": "?from=2026-01-31T08:15:00Z&to=2025-01-31T08:15:00Z", "list-unknown": "?statsu=CREATED",
    }
    for name, text in lists.items():
        write("requests", name, text.encode())
    write("requests", "twice", b'{"amount":1,"amount":2}')


def letters() -> None:
    """Letters of the consumer (DeadLetterWriter.swift), of others, and notes (RequeueLedger.swift) as values."""
    death = [("dlq_topic", b"inventory"), ("dlq_partition", b"3"), ("dlq_offset", b"99"),
             ("dlq_error", b"currency is missing")]
    own = [("trace", b"a"), ("trace", b"b")]
    again = [*own, ("dlq_requeues", b"1"), *death]
    seeds = {
        "fresh": record(b"{}", headers=own + death), "again": record(b"{}", headers=again),
        "often": record(b"{}", headers=[("dlq_requeues", b"3"), *death]),
        "countless": record(b"{}", headers=[("dlq_requeues", str(2**63 - 1).encode()), *death]),
        "negative": record(b"{}", headers=[("dlq_requeues", b"-5"), *death]),
        "no-number": record(b"{}", headers=[("dlq_requeues", b"+0x1"), ("dlq_partition", b"99999999999"), *death[:1]]),
        "elsewhere": record(b"{}", headers=[("dlq_topic", b"stock")]), "unsaid": record(b"{}"),
        "left-out": record(b"", headers=[*death, ("dlq_left_out", b"value")]),
        "null": record(None, key=None, headers=[(name, None) for name, _ in death]),
        "twice": record(b"{}", headers=[("dlq_topic", b"stock"), ("dlq_partition", b"1"), *death]),
        "hidden": record(b"{}", key="\u202e7\x1b[31m".encode(), headers=[
            *death[:3], ("dlq_error", "a\r\n\u2028\u202e\x9b\x7f\"\\".encode())]),
        "no-utf8": record(b"{}", headers=[("dlq_topic", b"inventory"), ("dlq_error", b"\xff\xe2\x80")]),
        "note": record(b"9-12,14,20-25", key=bytes([1, 3, 9, 2, 0]), time=0),
        "note-gone": record(b"4-5,8,11", key=bytes([2, 1]), time=8, offset=2),
        "note-strange": record(b"9-7,1-2-3,-4,+9", time=-1),
        "note-last": record(b"9223372036854775806-9223372036854775807", key=bytes([255, 1]), time=0),
        "note-first": record(b"", key=bytes([0, 1, 2]), time=-2**63, offset=-2**63),
    }
    for name, content in seeds.items():
        write("letters", name, content)


def trace() -> None:
    """Examples of W3C Trace Context and its test suite."""
    plain = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    seeds = {
        "plain": plain, "unsampled": plain[:-1] + "0", "flags": plain[:-2] + "fe", "later": "cc" + plain[2:],
        "later-more": "cc" + plain[2:] + "-what-the-future-will-be-like", "later-odd": "cc" + plain[2:-1] + "f-",
        "later-joined": "cc" + plain[2:] + ".x", "forbidden": "ff" + plain[2:], "more": plain + "-x",
        "upper": plain.upper(), "no-trace": "00-" + "0" * 32 + plain[35:], "no-parent": plain[:36] + "0" * 16 + "-01",
        "short": plain[:-1], "moved": plain.replace("-b7", "b-7"), "empty": "", "two": plain + "\n" + plain,
        "many": "\n".join([plain] * 9), "blank": " " + plain, "not-ascii": plain[:-1] + "\u0661",
    }
    for name, text in seeds.items():
        write("trace", name, text.encode())


def metadata() -> None:
    """Fields of calls as grpcio sends them, and Base64 by Python."""
    padded = [base64.b64encode(bytes(range(count))).decode() for count in range(6)]
    seeds = {
        "plain": "user-agent:grpc-python/1.51.1\nx-order:7\nx-order:8", "timeout": "grpc-timeout:20m",
        "timeouts": "grpc-timeout:99999999H\ngrpc-timeout:0n", "timeout-wrong": "grpc-timeout:123456789S",
        "timeout-sign": "grpc-timeout:+1S", "padded": "x-bin:" + ",".join(padded),
        "bare": "x-bin:" + ",".join(each.rstrip("=") for each in padded), "blanks": "x-bin: AAEC , AAED ,",
        "stray-bits": "x-bin:AB", "half-padded": "x-bin:AA=", "too-padded": "x-bin:AAEC====", "url-safe": "x-bin:_-8",
        "length-one": "x-bin:A", "reserved": "grpc-status-details-bin:####\nte:trailers\nhost:h\n:path:/a.B/C",
        "short-name": "-bin:####\n:authority:h", "bytes": "x-text:\x01\u00e9", "trace": "traceparent:00-x\ntracestate:a=1",
    }
    for name, text in seeds.items():
        write("metadata", name, text.encode())
    write("metadata", "percent", "50 % \u00e9\n%zz%4".encode())


def admin() -> None:
    """Requests as probes, scrapers and strangers write them."""
    rest = "Host: h\r\nUser-Agent: Prometheus/2.42.0\r\nAccept: */*\r\n\r\n"
    seeds = {
        "health": f"GET /healthz HTTP/1.1\r\n{rest}", "ready": f"GET /readyz?verbose=1 HTTP/1.1\r\n{rest}",
        "metrics": f"GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\n{rest}", "head": f"HEAD /metrics HTTP/1.1\r\n{rest}",
        "old": "GET /healthz HTTP/1.0\r\n\r\n", "none": f"GET /secret HTTP/1.1\r\n{rest}",
        "long": f"GET /{'a' * 300} HTTP/1.1\r\n{rest}", "escaped": f"GET /%68ealthz%00 HTTP/1.1\r\n{rest}",
        "dots": f"GET /x/../healthz HTTP/1.1\r\n{rest}", "proxy": f"GET http://h/healthz HTTP/1.1\r\n{rest}",
        "two": f"GET /healthz HTTP/1.1\r\n{rest}GET /readyz HTTP/1.1\r\n{rest}",
        "post": f"POST /healthz HTTP/1.1\r\nContent-Length: 5\r\n{rest}hello",
        "body": f"GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n{rest}hello",
        "chunked": f"GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{rest}5\r\nhello\r\n0\r\n\r\n",
        "smuggled": f"POST /readyz HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n{rest}1\r\nZ\r\nQ",
        "continue": f"PUT /healthz HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9999999999\r\n{rest}",
        "upgrade": f"GET /healthz HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{rest}",
        "http2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "options": f"OPTIONS * HTTP/1.1\r\n{rest}",
        "folded": "GET /healthz HTTP/1.1\r\nHost: h\r\n x\r\n\r\n", "no-line": "\r\n\r\nGET\r\n\r\n",
        "large": "GET /healthz HTTP/1.1\r\nX: " + "a" * 3_000 + "\r\n\r\n",
    }
    for name, text in seeds.items():
        write("admin", name, text.encode())
    write("admin", "tls", bytes.fromhex("16030100c2010000be0303") + bytes(40))


def http() -> None:
    """Requests as callers and those who try to hide one request in another write them."""
    rest = "Host: h\r\n\r\n"
    json = "Content-Type: application/json\r\n"
    seeds = {
        "one": f"GET /v1/payments/7?wait=1s&x=%20+ HTTP/1.1\r\n{rest}", "root": f"GET / HTTP/1.1\r\n{rest}",
        "echo": f"POST /echo HTTP/1.1\r\n{json}Content-Length: 7\r\n{rest}{{\"a\":1}}",
        "chunked": f"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{rest}3;x=\"y\"\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        "two": f"GET /a HTTP/1.1\r\n{rest}POST /echo HTTP/1.1\r\nContent-Length: 1\r\n{rest}xGET /b HTTP/1.1\r\n{rest}",
        "escaped": f"GET /%c3%a9%2F/%41 HTTP/1.1\r\n{rest}", "wrong-escapes": f"GET /%ff/%0/%00 HTTP/1.1\r\n{rest}",
        "two-lengths": f"POST /echo HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n{rest}abcde",
        "both": f"POST /echo HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n{rest}0\r\n\r\n",
        "blank": f"POST /echo HTTP/1.1\r\nTransfer-Encoding : chunked\r\n{rest}0\r\n\r\n",
        "folded": f"POST /echo HTTP/1.1\r\nTransfer-Encodin: chunked\r\n g\r\n{rest}0\r\n\r\n",
        "nul": f"POST /echo HTTP/1.1\r\nContent-Length: 1\0 9\r\n{rest}x", "line-feeds": "GET /a HTTP/1.1\nHost: h\n\n",
        "chunk-line": f"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{rest}1;\nx\r\n0\r\n\r\nGET /b HTTP/1.1\r\n{rest}",
        "large-chunk": f"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{rest}ffffffffffffffff\r\nx",
        "too-long": f"POST /echo HTTP/1.1\r\nContent-Length: 9999\r\n{rest}x", "cut": "POST /echo HTTP/1.1\r\nContent-Le",
        "continue": f"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n{rest}x",
        "later": f"PUT /later HTTP/1.1\r\nContent-Length: 1\r\n{rest}x", "stream": f"GET /stream HTTP/1.1\r\n{rest}",
        "old-stream": "GET /stream HTTP/1.0\r\n\r\n", "head-stream": f"HEAD /stream HTTP/1.1\r\n{rest}",
        "proxy": f"GET http://h:1/a?b HTTP/1.1\r\n{rest}", "cookies": f"GET /a HTTP/1.1\r\nCookie: a=b; c\r\n{rest}",
    }
    for name, text in seeds.items():
        write("http", name, text.encode())


def write(target: str, name: str, content: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


# The target takes a message's type from the first byte: its place in MessageTypes.all.

def protobuf() -> None:
    rng = random.Random(1)
    types = schema.load()
    for place, name in enumerate(schema.NAMES):
        message = types[name]()
        peer.fill(rng, message)
        content = schema.serialize(message)
        if len(content) > 600:
            content = content[:600]
        write("protobuf", f"{place:02}-{name}", bytes([place]) + content)


KEY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def inventory() -> None:
    plain = {"idempotent_key": KEY, "order_id": 111, "status": "COMPLETED"}
    documents = {
        "message": plain,
        "amount": plain | {"amount_minor": 1999, "currency": "EUR"},
        "limits": plain | {"order_id": 2**63 - 1, "amount_minor": 0, "currency": ""},
        "unknown-fields": plain | {"extra": {"a": [1, -2.5, 1e300, None, True], "b": {"c": {}}}, "note": "é😀\u2028\0"},
        "upper-key": plain | {"idempotent_key": KEY.upper(), "status": "IN_PROGRESS"},
        "wrong-types": {"idempotent_key": 1, "order_id": "111", "status": None},
        "numbers": [0, -0.0, 1.5e-7, 2**63, -(2**63), 2**64, 10**30, 1e22],
        "strings": ["", "\"\\/\b\f\n\r\t", "\ud83d\ude00", "ü" * 20, "\x7f"],
        "deep": json.loads("[" * 33 + "]" * 33),
        "scalar": "COMPLETED",
    }
    for name, document in documents.items():
        write("json", name, json.dumps(document).encode())
        write("json", f"{name}-utf8", json.dumps(document, ensure_ascii=False, indent=1).encode(errors="replace"))
    write("json", "twice", b'{"order_id":1,"order_id":2,"status":"COMPLETED","idempotent_key":"%s"}' % KEY.encode())
    write("json", "bom", b"\xef\xbb\xbf{}")
    most = Decimal(2**63 - 1)
    amounts = {
        "amount-cents": Decimal("999.99"), "amount-most": most, "amount-most-cents": most.scaleb(-2),
        "amount-most-mils": most.scaleb(-3), "amount-beyond": most + 1, "amount-small": Decimal("0.0001"),
        "amount-zeros": Decimal("5.000"), "amount-negative": Decimal("-0.50"), "amount-power": Decimal("1E+3"),
    }
    for name, amount in amounts.items():
        write("json", name, str(amount).encode())
    write("json", "amount-padded", b"007.50")


class Call:
    """The frames of a gRPC client on one connection, without the preface's magic."""

    def __init__(self, pieces: int = 0):
        self.content = bytes([pieces])
        self.encoder = Encoder()
        self.stream = -1
        self.add(SettingsFrame(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65535}))

    def add(self, *frames: Frame) -> "Call":
        for frame in frames:
            self.content += frame.serialize()
        return self

    def headers(self, path: str, *more: tuple[str, str], end: bool = False, split: int = 0) -> "Call":
        self.stream += 2
        block = self.encoder.encode([
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "h"),
            ("content-type", "application/grpc"), ("te", "trailers"), *more])
        flags = ["END_STREAM"] if end else []
        if split:
            self.add(HeadersFrame(self.stream, block[:split], flags=flags))
            return self.add(ContinuationFrame(self.stream, block[split:], flags=["END_HEADERS"]))
        return self.add(HeadersFrame(self.stream, block, flags=[*flags, "END_HEADERS"]))

    def data(self, *messages: bytes, flag: int = 0, end: bool = True, stream: int = 0) -> "Call":
        body = b"".join(struct.pack(">BI", flag, len(message)) + message for message in messages)
        return self.add(DataFrame(stream or self.stream, body, flags=["END_STREAM"] if end else []))


def http2() -> None:
    types = schema.load()
    message = schema.serialize(types["payments.v1.UpdatePaymentStatusRequest"](order_id=7, status=2, reason="ok"))
    calls = {
        "inline": Call().headers("/fuzz.Fuzz/Inline").data(message),
        "task": Call(5).headers("/fuzz.Fuzz/Task", ("grpc-timeout", "1S")).data(message),
        "count": Call().headers("/fuzz.Fuzz/Count").data(message).add(WindowUpdateFrame(1, window_increment=1000)),
        "last": Call(1).headers("/fuzz.Fuzz/Last").data(message, message, end=False).data(message),
        "chat": Call().headers("/fuzz.Fuzz/Chat").data(message, end=False).data(message, end=False).data(),
        "check": Call().headers("/grpc.health.v1.Health/Check").data(b""),
        "watch": Call().headers("/grpc.health.v1.Health/Watch").data(b"").add(RstStreamFrame(1, error_code=8)),
        "list": Call().headers("/grpc.health.v1.Health/List").data(b""),
        "unknown": Call().headers("/fuzz.Fuzz/None", ("x-data-bin", "AAH+/w")).data(message),
        "metadata": Call().headers(
            "/fuzz.Fuzz/Inline", ("x-bin-bin", "AAH+/w==,AA"), ("grpc-encoding", "identity"), ("user-agent", "seed")).data(message),
        "gzip": Call().headers("/fuzz.Fuzz/Chat", ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")).data(
            gzip.compress(message, mtime=0), gzip.compress(message * 30, mtime=0), flag=1),
        "gzip-bomb": Call().headers("/fuzz.Fuzz/Last", ("grpc-encoding", "gzip")).data(
            gzip.compress(bytes(100_000), mtime=0), flag=1),
        "reflection": Call().headers("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo").data(
            *[schema.serialize(types["grpc.reflection.v1.ServerReflectionRequest"](**question)) for question in (
                {"list_services": ""}, {"file_by_filename": "grpc/health/v1/health.proto"},
                {"file_containing_symbol": "grpc.health.v1.Health"}, {"file_containing_symbol": "none"})]),
        "compressed": Call().headers("/fuzz.Fuzz/Inline", ("grpc-encoding", "gzip")).data(message, flag=1),
        "no-message": Call().headers("/fuzz.Fuzz/Inline", end=True),
        "two-messages": Call().headers("/fuzz.Fuzz/Task").data(message, message),
        "too-long": Call().headers("/fuzz.Fuzz/Last").data(bytes(600)),
        "continuation": Call(9).headers("/fuzz.Fuzz/Inline", split=20).data(message),
        "many": Call(),
        "pings": Call().add(*[PingFrame(0, opaque_data=bytes([n] * 8)) for n in range(4)]),
        "resets": Call(),
        "goaway": Call().headers("/fuzz.Fuzz/Chat").data(message, end=False).add(GoAwayFrame(0, last_stream_id=0)),
        "small-window": Call().add(SettingsFrame(settings={SettingsFrame.INITIAL_WINDOW_SIZE: 3})).headers(
            "/fuzz.Fuzz/Count").data(message).add(WindowUpdateFrame(1, window_increment=50)),
        "priority": Call().add(PriorityFrame(3, depends_on=0, stream_weight=9)).headers("/fuzz.Fuzz/Inline").data(message),
        "trailers": Call().headers("/fuzz.Fuzz/Chat").data(message, end=False).add(
            HeadersFrame(1, Encoder().encode([("x", "y")]), flags=["END_STREAM", "END_HEADERS"])),
    }
    for _ in range(12):
        calls["many"].headers("/fuzz.Fuzz/Chat").data(message, end=False)
    for _ in range(6):
        calls["resets"].headers("/fuzz.Fuzz/Last")
        calls["resets"].add(RstStreamFrame(calls["resets"].stream, error_code=8))
    for name, call in calls.items():
        write("http2", name, call.content)


def settings() -> None:
    files = {
        "plain": "DB_DSN=postgres://u:p@h/db\nKAFKA_BROKERS=h:1,[::1]:2\n",
        "quotes": "# a\n\tCONSUMER_GROUP='a b' # c\nLOG_FORMAT=\"json\"\r\nKAFKA_CLIENT_ID=\"a\\\"b\\\\c\\d\"\n",
        "durations": "CRON_FREQUENCY=1h30m\nPAYMENT_TTL=0\nEVENT_RETENTION=168h\nCRON_RESERVE=500ms",
        "numbers": "DB_POOL_SIZE=256\nSERVER_THREADS=0\nKAFKA_TOPIC_PARTITIONS=10000\nCONSUMER_BATCH=1",
        "addresses": "SERVER_GRPC_ADDR=[::]:0\nADMIN_ADDR=:1\nREDIS_DSN=redis://u:p%40@h:6379/3\n",
        "properties": "KAFKA_SECURITY_PROTOCOL=SASL_SSL\nKAFKA_SASL_PASSWORD=x\nKAFKA_ACKS=1\n",
        "wrong": "COLOUR=blue\nDB_POOL_SIZE=x\n",
        "twice": "LOG_LEVEL=info\nLOG_LEVEL=debug\n",
        "open-quote": "LOG_LEVEL='info",
        "unicode": "KAFKA_CLIENT_ID=é\u0301😀\u200d\n",
        "duration": "1d2h3m4s5ms",
        "address": "[fe80::1%eth0]:65535",
    }
    for name, text in files.items():
        write("settings", name, text.encode())


def addresses() -> None:
    """Examples of PostgreSQL's manual (section 34.1.1) and of redis-cli, and what they do not have."""
    texts = {
        "dsn-hosts": "postgres://u:p%40@h1:5432,h2/db?target_session_attrs=any&sslmode=disable",
        "dsn-socket": "postgresql:///db?host=/run/postgresql&port=1&user=u&password=p",
        "dsn-ipv6": "u:p@[::1]:5432/db?connect_timeout=3",
        "redis": "redis://:p%2F@[::1]:6379/16383",
        "redis-host": "h",
        "redis-tls": "rediss://u:p@h:1/0",
        "dsn-keywords": "host=h port=5432 dbname=db user='a b' password='it\\\\'s'",
        "dsn-session": "postgres://h/db?options=-c%20geqo%3Doff&application_name=x",
        "dsn-password": "postgres://u:a@b:c@h/db", "dsn-escape": "postgres://u:%zz@h/db",
        "dsn-ports": "postgres://h1,h2:1,h3:/db?connect_timeout=1", "dsn-empty": "postgres://",
        "redis-database": "redis://h/99999999999999999999", "redis-no-colon": "redis://u@h:1",
        "redis-escape": "redis://%C3:p%00@h", "redis-port": "redis://h:0", "redis-bracket": "redis://[h@x]y:1",
        "not-ascii": "postgres://u:\u00e9\u0301@h/db",
    }
    for name, text in texts.items():
        write("addresses", name, text.encode())


if __name__ == "__main__":
    protobuf()
    inventory()
    http2()
    settings()
    addresses()
    records()
    letters()
    trace()
    metadata()
    admin()
    http()
    bank()
    requests()
    surfaces()
    risk()
    statements()
