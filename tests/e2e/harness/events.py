"""Server-sent events of a gateway, read as they come: WHATWG HTML, section 9.2, with no more of it than is needed."""

import http.client
import json
import queue
import threading
from dataclasses import dataclass
from typing import Any

from .direct import Gateway


@dataclass
class Event:
    id: str
    payment: Any


class Stream:
    """A stream of events, read on a thread of its own; `id` is the one with which to go on."""

    def __init__(self, gateway: Gateway, path: str, last_id: str | None = None):
        self.id = last_id
        self.comments = 0
        self.has_ended = False
        # An end in the middle of the answer.
        self.is_broken = False
        self.retry: int | None = None
        self._events: "queue.Queue[Event]" = queue.Queue()
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.program.http_port, timeout=120)
        self._connection.request("GET", path, headers={"Last-Event-ID": last_id} if last_id else {})
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.headers = {name.lower(): value for name, value in self._answer.getheaders()}
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in self._answer:
                text = line.decode().rstrip("\n")
                if text.startswith(":"):
                    self.comments += 1
                elif text:
                    name, _, value = text.partition(": ")
                    fields[name] = value
                else:
                    self._dispatch(fields)
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            self.is_broken = True
        self.has_ended = True

    def _dispatch(self, fields: dict[str, str]) -> None:
        self.retry = int(fields["retry"]) if "retry" in fields else self.retry
        self.id = fields.get("id", self.id)
        if "data" in fields:
            self._events.put(Event(self.id or "", json.loads(fields["data"])))

    def next(self, timeout: float = 20) -> Event:
        """The next event."""
        return self._events.get(timeout=timeout)

    def until(self, condition, timeout: float = 20) -> list[Event]:
        """The events up to the first that the condition holds for."""
        found = [self.next(timeout)]
        while not condition(found[-1]):
            found.append(self.next(timeout))
        return found

    @property
    def is_empty(self) -> bool:
        return self._events.empty()

    def close(self) -> None:
        """Leaves."""
        if self._connection.sock:
            self._connection.sock.close()
        self._answer.close()
