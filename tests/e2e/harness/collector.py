"""A collector of spans, which reads OTLP with somebody else's implementation."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from .waiting import wait_until


@dataclass(frozen=True)
class Span:
    """A span as it came, with the service that has sent it."""

    service: str
    message: SpanMessage

    @property
    def name(self) -> str:
        return self.message.name

    @property
    def kind(self) -> str:
        return SpanMessage.SpanKind.Name(self.message.kind).removeprefix("SPAN_KIND_").lower()

    @property
    def trace(self) -> str:
        return self.message.trace_id.hex()

    @property
    def id(self) -> str:
        return self.message.span_id.hex()

    @property
    def parent(self) -> str:
        return self.message.parent_span_id.hex()

    @property
    def attributes(self) -> dict[str, str | int]:
        return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in self.message.attributes}

    @property
    def context(self) -> str:
        """What goes on to others."""
        return f"00-{self.trace}-{self.id}-01"


class Collector:
    """Listens on loopback and takes everything."""

    def __init__(self):
        self._lock = threading.Lock()
        self._spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
                collector._take(self.rfile.read(int(self.headers["Content-Length"])))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            for resource in request.resource_spans:
                known = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
                for scope in resource.scope_spans:
                    assert scope.scope.name == "paysaga"
                    self._spans += [Span(known["service.name"], span) for span in scope.spans]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def settings(self, **more: str) -> dict[str, str]:
        """What makes a program send its spans here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url} | more

    def trace(self, trace: str) -> list[Span]:
        """The spans of a trace that have come so far."""
        with self._lock:
            return [span for span in self._spans if span.trace == trace]

    def await_spans(self, trace: str, *names: str, timeout: float = 30) -> dict[str, Span]:
        """Waits for spans of these names, each once in the trace."""

        def look():
            found = {span.name: span for span in self.trace(trace)}
            assert not set(names) - set(found), f"there are {sorted(found)}"
            return found

        return wait_until(look, f"spans {names} of trace {trace}", timeout)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_) -> None:
        self.close()
