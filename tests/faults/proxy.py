"""A TCP proxy on the loopback that delays, cuts and resets: a line between a service and its store."""

from __future__ import annotations

import asyncio
import contextlib
import random
from types import TracebackType

PIECE = 64 * 1024


class Proxy:
    """Passes bytes on, both ways. `delay` holds every answer back, in seconds; `cut_answers` is the chance that a
    connection ends where an answer would have been passed on: the request has arrived, its answer never does."""

    def __init__(self, host: str, port: int, chance: random.Random) -> None:
        self.delay = 0.0
        self.cut_answers = 0.0
        self.cuts = 0
        self._target = (host, port)
        self._chance = chance
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """Where it listens, host:port."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.reset_all()
        await self._server.wait_closed()

    def reset_all(self) -> None:
        """Reset every connection there is now."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        ours = {writer, far_writer}
        self._writers |= ours
        passing = [
            asyncio.create_task(self._pass_requests(reader, far_writer)),
            asyncio.create_task(self._pass_answers(far_reader, writer)),
        ]
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
            self._writers -= ours
            for each in ours:
                each.transport.abort()

    async def _pass_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()

    async def _pass_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(PIECE):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self._chance.random() < self.cut_answers:
                    self.cuts += 1
                    return
                writer.write(piece)
                await writer.drain()
