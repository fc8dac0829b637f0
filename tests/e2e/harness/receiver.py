"""A receiver of webhooks, which checks signatures with somebody else's implementation and does what it is told."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

from standardwebhooks.webhooks import Webhook

from .direct import Answer, Gateway
from .waiting import wait_until


@dataclass
class Message:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, *secrets: str) -> Any:
        """The content, which each of the secrets has signed."""
        return [Webhook(secret).verify(self.body, self.headers) for secret in secrets][-1]


# Status, header fields and body of an answer to the message with this number; None answers nothing at all.
Behaviour = Callable[[Message, int], tuple[int, dict[str, str], bytes] | None]


def taken(message: Message, number: int) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b"thank you"


class Receiver:
    """Listens on loopback; each path has messages of its own."""

    def __init__(self):
        self._lock = threading.Lock()
        self._messages: dict[str, list[Message]] = defaultdict(list)
        self.behaviours: dict[str, Behaviour] = {}
        # Ends the handlers that answer nothing.
        self._over = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message = Message(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                with receiver._lock:
                    receiver._messages[self.path].append(message)
                    number = len(receiver._messages[self.path])
                answer = receiver.behaviours.get(self.path, taken)(message, number)
                if answer is None:
                    receiver._over.wait()
                    self.close_connection = True
                    return
                status, fields, content = answer
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            # A gateway opens many connections at once; of those beyond it the kernel drops some.
            request_queue_size = 256

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def messages(self, path: str) -> list[Message]:
        with self._lock:
            return list(self._messages[path])

    def await_messages(self, path: str, count: int, timeout: float = 30) -> list[Message]:
        """At least so many."""

        def look():
            found = self.messages(path)
            assert len(found) >= count, [each.body for each in found]
            return found

        return wait_until(look, f"{count} messages at {path}", timeout)

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def add_endpoint(gateway: Gateway, url: str, *events: str, **options: Any) -> dict:
    """The endpoint, with its secret."""
    answer = gateway.post("/v1/webhook_endpoints", {"url": url} | ({"events": list(events)} if events else {}), **options)
    assert answer.status == 201, answer
    return answer.json


def deliveries(gateway: Gateway, endpoint: str, query: str = "") -> list[dict]:
    answer = gateway.get(f"/v1/webhook_endpoints/{endpoint}/deliveries?limit=100{query}")
    assert answer.status == 200, answer
    return answer.json["data"]


def change(gateway: Gateway, endpoint: str, **fields: Any) -> Answer:
    return gateway.call("PATCH", f"/v1/webhook_endpoints/{endpoint}", fields)
