"""The accounts ingest serves: CHANNELS_FILE, read again when it changes, so that a secret rotates without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from services.ingest.webhook.model import Signer
from shared.channels import BadFile, Channel, Channels, load_channels

logger = logging.getLogger(__name__)

CHECK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the hot path needs it."""

    channel: Channel
    slug: str
    destination: str
    signer: Signer
    """Signs with the current secret."""

    def previous_secrets(self, now: datetime) -> list[bytes]:
        """Return the secrets besides the current one that are still accepted."""
        return self.channel.webhook_secrets(now)[1:]


def _account(channel: Channel) -> Account:
    signer = Signer(channel.channel_secret.get_secret_value().encode())
    return Account(channel, channel.slug, channel.destination, signer)


class Accounts:
    """The accounts by slug."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            BadFile: says which entry and field is wrong.
        """
        self._path = path
        self._seen = self._version()
        self._accounts = self._read()

    def get(self, slug: str) -> Account | None:
        """Return the account, or None where no account has that slug."""
        return self._accounts.get(slug)

    def channel(self, slug: str) -> Channel | None:
        """Return the account's whole entry."""
        account = self._accounts.get(slug)
        return account.channel if account else None

    def refresh(self) -> bool:
        """Read the file again if it changed; False if the new content is refused, and the old goes on."""
        try:
            version = self._version()
            if version == self._seen:
                return True
            self._seen = version
            self._accounts = self._read()
        except (BadFile, OSError) as error:
            reason = str(error) if isinstance(error, BadFile) else error.__class__.__name__
            logger.error("the changed channels file is refused, the old accounts stay", extra={"reason": reason})
            return False
        logger.info("channels file read again", extra={"accounts": len(self._accounts)})
        return True

    @asynccontextmanager
    async def refreshing(self, on_failure: Callable[[], object]) -> AsyncIterator[None]:
        """Look at the file every few seconds for as long as the block lasts."""

        async def look() -> None:
            while True:
                await asyncio.sleep(CHECK_SECONDS)
                if not self.refresh():
                    on_failure()

        task = asyncio.create_task(look(), name="channels file")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _version(self) -> tuple[int, int, int]:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> dict[str, Account]:
        channels: Channels = load_channels(self._path)
        return {channel.slug: _account(channel) for channel in channels}
