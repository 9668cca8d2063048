"""Insights' environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.settings import ReadableFile, StoreSettings


class InsightsSettings(StoreSettings):
    """What insights reads from its environment (design §12)."""

    erasure_key_file: ReadableFile
    consumer_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "insights"
    """Another one only to count anew into a new database beside the running service (design §1)."""

    @property
    def database(self) -> str:
        """The database insights owns."""
        return self.mongo_database or "insights"
