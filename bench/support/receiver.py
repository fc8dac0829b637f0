"""A receiver of webhooks that costs little: a process with one loop, which answers 204 and notes when each came."""

import json
import multiprocessing
import selectors
import socket
import time
from multiprocessing.connection import Connection


class Receiver:
    """Listens on loopback in a process of its own."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._count = multiprocessing.Value("q", 0)
        self._connection, other = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_serve, args=(self._socket, self._count, other), daemon=True)
        self._process.start()

    @property
    def count(self) -> int:
        """Messages so far."""
        return self._count.value

    def times(self) -> dict[str, float]:
        """By payment, when its first message came, by the monotonic clock; ends the receiver."""
        self._connection.send("end")
        times = self._connection.recv()
        self._process.join(10)
        self._socket.close()
        return times

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()


def _serve(listener: socket.socket, count, connection: Connection) -> None:
    times: dict[str, float] = {}
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ, None)
    selector.register(connection, selectors.EVENT_READ, connection)
    listener.setblocking(False)
    while True:
        for key, _ in selector.select():
            if key.data is connection:
                connection.send(times)
                return
            if key.data is None:
                peer, _ = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(peer, selectors.EVENT_READ, bytearray())
            elif not _take(key.fileobj, key.data, times, count):
                selector.unregister(key.fileobj)
                key.fileobj.close()


def _take(peer: socket.socket, held: bytearray, times: dict[str, float], count) -> bool:
    """Answers each message that has come whole; false when the peer has ended."""
    piece = peer.recv(65_536)
    if not piece:
        return False
    held += piece
    now = time.monotonic()
    while (end := held.find(b"\r\n\r\n")) >= 0:
        head = held[:end].lower()
        start = head.index(b"content-length:") + 15
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(held) < end + 4 + length:
            break
        body = bytes(held[end + 4:end + 4 + length])
        del held[:end + 4 + length]
        times.setdefault(json.loads(body)["data"]["id"], now)
        count.value += 1
        peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    return True
