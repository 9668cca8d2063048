"""Broadcast's environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.settings import BaseUrl, LineSettings, ReadableFile, StoreSettings


class BroadcastSettings(StoreSettings, LineSettings):
    """What broadcast reads from its environment (design §12)."""

    link_key_file: ReadableFile
    erasure_key_file: ReadableFile
    public_url: BaseUrl
    multicasts_per_second: Annotated[float, Field(gt=0, le=200)] = 197.0
    """Of an account, retries included (LINE: at most 200)."""
    most_rejected_chunks: Annotated[int, Field(ge=1, le=20)] = 5
    """So many chunks rejected among a campaign's last 20 pause it."""

    @property
    def database(self) -> str:
        """The database broadcast owns."""
        return self.mongo_database or "broadcast"
