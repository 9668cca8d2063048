"""What a connection may cost: a head has a size and a time, a request has a time, and there is room for so many.

uvicorn sets no such bounds: it waits for ever for a client that has connected and asked nothing, and keeps a head of
any size. The edge has limits of its own; a process must stand without it.
"""

from __future__ import annotations

import math
import resource
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""From the connection, or a head's first byte, to its last one."""
REQUEST_SECONDS = 60.0
"""From a head's end to its body's; a route that reads a body may be stricter."""
HEAD_BYTES = 64 * 1024
"""What may have come of a head that is not complete; LINE's heads have under 1 KiB."""
HEADERS = 100
MAX_CONNECTIONS = 10_000
SPARE_FILES = 256
"""Left to a process for what it opens itself."""

_PHRASES = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class _TooManyHeaders(Exception):
    """Makes the parser stop."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with bounds; `end_late` has to be called now and then."""

    room = MAX_CONNECTIONS
    due = math.inf
    """When what is being received must be complete, by the loop's clock."""
    in_head = True
    _head_bytes = 0
    _refusal = 0

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or cut it where there is no room."""
        super().connection_made(transport)
        self.due = self.loop.time() + HEAD_SECONDS
        if len(self.connections) > self.room:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what came; refuse a head that does not end."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.refuse(431)
        elif self.due == math.inf and self.timeout_keep_alive_task is None and not self._answering():
            # Empty lines between requests are allowed, and ended uvicorn's keep-alive.
            self.due = self.loop.time() + HEAD_SECONDS

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.due = self.loop.time() + HEAD_SECONDS
        self.in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """A head is complete: ask the application, unless it has too many fields."""
        self.in_head = False
        if len(self.headers) > HEADERS:
            self._refusal = 431
            raise _TooManyHeaders
        self.due = self.loop.time() + REQUEST_SECONDS
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A request is complete: from here on the application has its time, then uvicorn's keep-alive runs."""
        self.due = math.inf
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused."""
        if self._refusal:
            self.refuse(self._refusal)
        else:
            super().send_400_response(msg)

    def refuse(self, status: int) -> None:
        """Answer without the application and close."""
        if not self._answering():
            self.transport.write(
                b"HTTP/1.1 %d %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % (status, _PHRASES[status])
            )
        self.transport.close()

    def end(self) -> None:
        """Close a connection whose time is over: a head that began is told, a body's reader sees its client gone."""
        self.due = math.inf
        if self.in_head and self.headers is not None:
            self.refuse(408)
        else:
            self.transport.close()

    def _answering(self) -> bool:
        """Whether an earlier request of the connection is being answered: two answers must not mix."""
        return self.cycle is not None and not self.cycle.response_complete


def end_late(connections: Iterable[Any], now: float) -> None:
    """Close the connections that have been receiving for too long."""
    for connection in [each for each in connections if isinstance(each, BoundedProtocol) and each.due <= now]:
        connection.end()


def room_for_connections() -> int:
    """Raise the process's limit of open files as far as it may, and return how many connections then fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, min(MAX_CONNECTIONS, soft - SPARE_FILES))


def bounded(room: int) -> type[BoundedProtocol]:
    """Return the protocol of a server that holds so many connections at once."""
    return type("RoomedProtocol", (BoundedProtocol,), {"room": room})
