"""A TCP forwarder that can cut its connections and hold back what goes through it: a network that fails."""

import socket
import threading


class Forwarder:
    """Forwards a port of its own to another; while cut, connections are closed and new ones refused at once."""

    def __init__(self, host: str, port: int):
        self._target = (host, port)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._may_ask = threading.Event()
        self._may_ask.set()
        self._held = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            sockets, self._open = self._open, set()
        for each in sockets:
            self._close(each)

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def turn_to(self, host: str, port: int) -> None:
        """New connections go there; those that are open stay where they are."""
        self._target = (host, port)

    def hold_answers(self) -> None:
        """What the server says from here on waits for `pass_answers`; what clients say goes through."""
        self._may_answer.clear()

    def pass_answers(self) -> None:
        self._may_answer.set()

    def hold_requests(self) -> None:
        """What clients say from here on waits for `pass_requests`, also when they are gone by then."""
        self._may_ask.clear()

    @property
    def is_holding(self) -> bool:
        """Whether somebody has said something that waits."""
        return self._held > 0

    def pass_requests(self) -> None:
        self._held = 0
        self._may_ask.set()

    def close(self) -> None:
        self.cut()
        self.pass_answers()
        self.pass_requests()
        self._close(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                refused = self._is_cut
                if not refused:
                    self._open |= {client, server}
            if refused:
                client.close()
                server.close()
                continue
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._copy, args=(source, sink, answers), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if answers:
                    self._may_answer.wait()
                elif not self._may_ask.is_set():
                    self._held += 1
                    self._may_ask.wait()
                sink.sendall(data)
        except OSError:
            pass  # cut, or one side has gone
        for each in (source, sink):
            with self._lock:
                self._open.discard(each)
            self._close(each)

    @staticmethod
    def _close(each: socket.socket) -> None:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # not connected any more
        each.close()
