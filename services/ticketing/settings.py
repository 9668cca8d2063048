"""Ticketing's environment."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shared.settings import LineSettings, ReadableFile, StoreSettings


class TicketingSettings(StoreSettings, LineSettings):
    """What ticketing reads from its environment (design §12)."""

    erasure_key_file: ReadableFile
    reopen_hours: Annotated[float, Field(ge=0, le=24 * 365)] = 72
    """A message within so many hours after resolving takes the same opening up again; a later one starts the next."""
    content_most_bytes: Annotated[int, Field(ge=1, le=1024**3)] = 50 * 1024**2
    """What users send that is larger than so many bytes is not kept."""

    @property
    def database(self) -> str:
        """The database ticketing owns."""
        return self.mongo_database or "ticketing"

    @property
    def grace(self) -> timedelta:
        """`reopen_hours` as a time span."""
        return timedelta(hours=self.reopen_hours)
