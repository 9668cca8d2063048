"""Where the bytes are kept: one interface, GridFS behind it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from shared.line.content import Sink
from shared.mongo import Database, FileBucket, NoFile

BUCKET = "content"


class Files(Protocol):
    """Keeps bytes under a name, whole or not at all."""

    def writing(self, name: str) -> contextlib.AbstractAsyncContextManager[Sink]:
        """Yield what takes the bytes piece by piece; leaving it by an exception throws away what it got."""

    def reading(self, name: str) -> AsyncIterator[bytes]:
        """Yield the bytes.

        Raises:
            FileNotFoundError: there are none under this name.
        """

    async def discard(self, name: str) -> None:
        """Delete the bytes, also of a writing that was never finished; nothing where there are none."""


class GridFiles:
    """Files in MongoDB's own format for them, in the collections `content.files` and `content.chunks`."""

    def __init__(self, database: Database) -> None:
        self._bucket = FileBucket(database, bucket_name=BUCKET)

    @contextlib.asynccontextmanager
    async def writing(self, name: str) -> AsyncIterator[Sink]:
        """Write a file; see `Files.writing`."""
        file = self._bucket.open_upload_stream_with_id(name, name)
        try:
            yield file.write
        except BaseException:
            await file.abort()
            raise
        await file.close()

    async def reading(self, name: str) -> AsyncIterator[bytes]:
        """Read a file chunk by chunk; see `Files.reading`."""
        try:
            file = await self._bucket.open_download_stream(name)
        except NoFile:
            raise FileNotFoundError(name) from None
        while chunk := await file.readchunk():
            yield chunk

    async def discard(self, name: str) -> None:
        """Delete a file and every chunk of it."""
        with contextlib.suppress(NoFile):
            await self._bucket.delete(name)
