"""Broadcast's environment."""

from __future__ import annotations

from shared.settings import BaseUrl, LineSettings, ReadableFile, StoreSettings


class BroadcastSettings(StoreSettings, LineSettings):
    """What broadcast reads from its environment (design §12)."""

    link_key_file: ReadableFile
    erasure_key_file: ReadableFile
    public_url: BaseUrl

    @property
    def database(self) -> str:
        """The database broadcast owns."""
        return self.mongo_database or "broadcast"
