"""The accounts insights counts for: CHANNELS_FILE, looked at again when an account turns up that it did not hold."""

from __future__ import annotations

import logging
from datetime import tzinfo
from pathlib import Path

from shared.channels import BadFile, Channel, load_channels
from shared.clock import monotonic

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 2.0


class Accounts:
    """The accounts by slug. One that is added needs no restart; the zone of one that is known stays until then."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            BadFile: says which entry and field is wrong.
        """
        self._path = path
        self._channels = load_channels(path)
        self._looked = monotonic()

    def get(self, slug: str) -> Channel | None:
        """Return the account, or None where the file has none of that slug."""
        channel = self._channels.get(slug)
        if channel is None and monotonic() - self._looked >= LOOK_AGAIN_SECONDS:
            self._look_again()
            channel = self._channels.get(slug)
        return channel

    def zone(self, slug: str) -> tzinfo | None:
        """Return the account's time zone."""
        channel = self.get(slug)
        return channel.zone if channel else None

    def _look_again(self) -> None:
        self._looked = monotonic()
        try:
            found = load_channels(self._path)
        except BadFile as error:
            logger.error("the channels file is refused, the old accounts stay", extra={"reason": str(error)})
            return
        known = self._channels
        self._channels = type(found)([known.get(channel.slug) or channel for channel in found])
