"""How a narrowcast goes on after LINE accepted it (LINE platform §2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from shared.line.answers import reading_or_absent
from shared.line.outcomes import Failure
from shared.line.transport import Call, Transport


@dataclass(frozen=True, slots=True)
class NarrowcastProgress:
    """`phase` is waiting, sending, succeeded or failed, or a newer one; counts are None while LINE has none.

    `error_code` (failed): 1 internal, 2 too few recipients, 3 retry conflict, 4 audience under 50, 5 cancelled
    because it would have been partial. Times are LINE's, ISO 8601 in UTC.
    """

    phase: str
    success_count: int | None = None
    failure_count: int | None = None
    target_count: int | None = None
    error_code: int | None = None
    failed_description: str | None = None
    accepted_time: str | None = None
    completed_time: str | None = None


class Narrowcasts:
    """Reads the progress of narrowcasts."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def progress(self, channel: str, request_id: str) -> NarrowcastProgress | Failure | None:
        """Return how far it is; None where LINE does not know the request, or no more (after 14 days)."""
        url = f"{self._transport.api_url}/v2/bot/message/progress/narrowcast?requestId={quote(request_id, safe='')}"
        call = Call("narrowcast_progress", "GET", url, channel)
        return await self._transport.perform(call, reading_or_absent(_progress))


def _progress(fields: dict[str, Any]) -> NarrowcastProgress:
    return NarrowcastProgress(
        fields["phase"],
        fields.get("successCount"),
        fields.get("failureCount"),
        fields.get("targetCount"),
        fields.get("errorCode"),
        fields.get("failedDescription"),
        fields.get("acceptedTime"),
        fields.get("completedTime"),
    )
