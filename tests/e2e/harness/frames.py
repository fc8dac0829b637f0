"""An HTTP/2 client that sends whatever frames a test gives it, lawful or not, and keeps what comes back."""

import base64
import select
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Callable, Iterable

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame,
    WindowUpdateFrame)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TIMEOUT = 10.0

# RFC 9113 section 7
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 5, 6, 7, 8, 11

# statuscodes.md
OK, CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, NOT_FOUND, RESOURCE_EXHAUSTED = 0, 1, 2, 4, 5, 8
UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 12, 13, 14

Fields = list[tuple[str, str]]


def message(payload: bytes = b"", flag: int = 0) -> bytes:
    """A length-prefixed message."""
    return struct.pack(">BI", flag, len(payload)) + payload


def request_headers(path: str, *more: tuple[str, str], without: Iterable[str] = (), **replaced: str) -> Fields:
    """The headers of a call as grpcio sends them; `method`, `scheme` … replace `:method`, `content_type` `content-type`."""
    fields = {
        ":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost",
        "content-type": "application/grpc", "te": "trailers",
    }
    for name, value in replaced.items():
        fields[":" + name if ":" + name in fields else name.replace("_", "-")] = value
    return [(name, value) for name, value in fields.items() if name not in without] + list(more)


@dataclass
class Answer:
    """What came on one stream."""

    blocks: list[Fields] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: int | None = None
    """The code of RST_STREAM."""

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.blocks[0]) if self.blocks else {}

    @property
    def trailers(self) -> dict[str, str]:
        return dict(self.blocks[-1]) if self.blocks else {}

    @property
    def is_trailers_only(self) -> bool:
        return len(self.blocks) == 1 and self.ended and not self.data

    @property
    def http(self) -> int:
        return int(self.headers[":status"])

    @property
    def status(self) -> int | None:
        text = self.trailers.get("grpc-status") if self.ended else None
        return None if text is None else int(text)

    @property
    def messages(self) -> list[bytes]:
        found, rest = [], bytes(self.data)
        while rest:
            flag, length = struct.unpack(">BI", rest[:5])
            assert flag == 0, "a compressed answer"
            found.append(rest[5:5 + length])
            rest = rest[5 + length:]
        return found

    @property
    def is_over(self) -> bool:
        return self.ended or self.reset is not None

    def __repr__(self) -> str:
        return f"<{self.blocks} data={len(self.data)} ended={self.ended} reset={self.reset}>"


class Connection:
    """One connection. Frames are read while a `wait_…` runs; SETTINGS and PING are answered then, unless `quiet`."""

    def __init__(self, port: int, preface: bool = True, quiet: bool = False, window_updates: bool = True,
                 settings: dict[int, int] | None = None, receive_buffer: int | None = None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder, self._decoder = Encoder(), Decoder()
        self.quiet, self.window_updates = quiet, window_updates
        self.frames: list[Frame] = []
        self.answers: dict[int, Answer] = {}
        self.is_closed = False
        self._input = b""
        self._block: tuple[int, int, bytes] | None = None
        self._next = 1
        if preface:
            self.socket.sendall(PREFACE)
            self.send(SettingsFrame(0, settings=settings or {}))

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    # Sending

    def send(self, *frames: Frame) -> None:
        self.send_bytes(b"".join(frame.serialize() for frame in frames))

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def try_send(self, data: bytes, seconds: float = 1.0) -> bool:
        """Sends what the server takes within that time; false when it does not take all or has hung up."""
        deadline = time.monotonic() + seconds
        view = memoryview(data)
        while view:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            _, writable, _ = select.select([], [self.socket], [], left)
            try:
                if writable:
                    view = view[self.socket.send(view, socket.MSG_DONTWAIT):]
            except BlockingIOError:
                continue
            except OSError:
                return False
        return True

    def new_stream(self) -> int:
        """The next stream's number."""
        stream, self._next = self._next, self._next + 2
        return stream

    def headers_frame(self, stream: int, fields: Fields, end_stream: bool = False) -> HeadersFrame:
        frame = HeadersFrame(stream, self.encoder.encode(fields, huffman=False), flags=["END_HEADERS"])
        if end_stream:
            frame.flags.add("END_STREAM")
        return frame

    def data_frame(self, stream: int, data: bytes, end_stream: bool = False) -> DataFrame:
        return DataFrame(stream, data, flags=["END_STREAM"] if end_stream else [])

    def open(self, fields: Fields, end_stream: bool = False) -> int:
        """Opens a stream with a header block."""
        stream = self.new_stream()
        self.send(self.headers_frame(stream, fields, end_stream))
        return stream

    def data(self, stream: int, data: bytes, end_stream: bool = False) -> None:
        """Sends DATA in frames of 16 KiB, whatever the windows say."""
        parts = [data[start:start + 16384] for start in range(0, len(data), 16384)] or [b""]
        self.send(*[self.data_frame(stream, part, end_stream and at == len(parts) - 1) for at, part in enumerate(parts)])

    def start(self, path: str, *bodies: bytes, end_stream: bool = True, fields: Fields | None = None) -> int:
        """Starts a call: headers, then each of `bodies` as DATA."""
        stream = self.open(fields or request_headers(path), end_stream and not bodies)
        for at, body in enumerate(bodies):
            self.data(stream, body, end_stream and at == len(bodies) - 1)
        return stream

    def call(self, path: str, *bodies: bytes, fields: Fields | None = None, timeout: float = TIMEOUT) -> Answer:
        """Makes a call and waits for its end."""
        return self.wait_for(self.start(path, *bodies, fields=fields), timeout)

    # Receiving

    def answer(self, stream: int) -> Answer:
        return self.answers.setdefault(stream, Answer())

    def of(self, kind: type) -> list:
        """The frames of a kind that have come."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    @property
    def goaways(self) -> list[GoAwayFrame]:
        return self.of(GoAwayFrame)

    def wait_for(self, stream: int, timeout: float = TIMEOUT) -> Answer:
        """Waits for the end of a stream."""
        self.wait(lambda: self.answer(stream).is_over, f"stream {stream} ends", timeout)
        return self.answer(stream)

    def wait_closed(self, timeout: float = TIMEOUT) -> None:
        self.wait(lambda: self.is_closed, "the server closes the connection", timeout)

    def wait_goaway(self, timeout: float = TIMEOUT) -> GoAwayFrame:
        self.wait(lambda: self.goaways, "GOAWAY comes", timeout)
        return self.goaways[-1]

    def wait(self, condition: Callable[[], object], what: str, timeout: float = TIMEOUT) -> None:
        """Reads frames until `condition` holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0 and not self.is_closed, (
                f"{'closed' if self.is_closed else f'not within {timeout:g} s'}: {what}; "
                f"{self.answers} and {self.frames[-5:]}")
            self.pump(left)

    def ping(self, timeout: float = TIMEOUT) -> None:
        """A PING and its answer: what was sent before has been looked at."""
        mark = struct.pack(">Q", len(self.frames))
        self.send(PingFrame(0, opaque_data=mark))
        self.wait(lambda: any("ACK" in frame.flags and frame.opaque_data == mark for frame in self.of(PingFrame)),
                  "the PING is answered", timeout)

    def pump(self, seconds: float = 0.0) -> bool:
        """Reads once, waiting up to that long; whether anything came."""
        readable, _, _ = select.select([self.socket], [], [], seconds)
        if not readable or self.is_closed:
            return False
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        self.is_closed = not data
        self._input += data
        self._parse()
        return True

    def _parse(self) -> None:
        while len(self._input) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._input[:9]))
            if len(self._input) < 9 + length:
                return
            frame.parse_body(memoryview(self._input[9:9 + length]))
            self._input = self._input[9 + length:]
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if isinstance(frame, (HeadersFrame, ContinuationFrame)):
            self._take_headers(frame)
        elif isinstance(frame, DataFrame):
            answer = self.answer(frame.stream_id)
            answer.data += frame.data
            answer.ended |= "END_STREAM" in frame.flags
            if self.window_updates and frame.data:
                self._reply(*[WindowUpdateFrame(stream, window_increment=len(frame.data))
                              for stream in (0, frame.stream_id)])
        elif isinstance(frame, RstStreamFrame):
            self.answer(frame.stream_id).reset = frame.error_code
        elif isinstance(frame, (SettingsFrame, PingFrame)) and "ACK" not in frame.flags and not self.quiet:
            self._reply(SettingsFrame(0, flags=["ACK"]) if isinstance(frame, SettingsFrame)
                        else PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))

    def _take_headers(self, frame: Frame) -> None:
        if isinstance(frame, HeadersFrame):
            self._block = (frame.stream_id, "END_STREAM" in frame.flags, frame.data)
        else:
            stream, ends, data = self._block
            self._block = (stream, ends, data + frame.data)
        if "END_HEADERS" in frame.flags:
            stream, ends, data = self._block
            answer = self.answer(stream)
            answer.blocks.append([(name, value) for name, value in self._decoder.decode(data)])
            answer.ended |= ends

    def _reply(self, *frames: Frame) -> None:
        try:
            self.send(*frames)
        except OSError:
            self.is_closed = True


def unpadded(data: bytes) -> str:
    """Base64 as gRPC sends it."""
    return base64.b64encode(data).decode().rstrip("=")
