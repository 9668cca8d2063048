"""The account itself: who it is, its quota and its aggregation units (LINE platform §0, §2.4, §2.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.line.answers import reading
from shared.line.outcomes import Failure
from shared.line.transport import Call, Transport


@dataclass(frozen=True, slots=True)
class Quota:
    """Messages this month, free and extra, staff's own sends included; None means without limit."""

    limit: int | None


@dataclass(frozen=True, slots=True)
class BotInfo:
    """The account as LINE shows it; `user_id` is the `destination` of its webhooks."""

    user_id: str
    basic_id: str
    display_name: str
    premium_id: str | None = None
    chat_mode: str | None = None


class Account:
    """Reads facts about the account."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def quota(self, channel: str) -> Quota | Failure:
        """Return the month's limit."""
        return await self._transport.perform(self._get("quota", "message/quota", channel), reading(_quota))

    async def quota_consumption(self, channel: str) -> int | Failure:
        """Return how many people this month's messages reached (LINE: approximate)."""
        call = self._get("quota_consumption", "message/quota/consumption", channel)
        return await self._transport.perform(call, reading(lambda fields: int(fields["totalUsage"])))

    async def aggregation_units(self, channel: str) -> int | Failure:
        """Return how many unit names this month has (LINE: the 1,001st is silently not assigned)."""
        call = self._get("aggregation_units", "message/aggregation/info", channel)
        return await self._transport.perform(call, reading(lambda fields: int(fields["numOfCustomAggregationUnits"])))

    async def bot_info(self, channel: str) -> BotInfo | Failure:
        """Return who the account is; also the cheapest test of an access token."""
        return await self._transport.perform(self._get("bot_info", "info", channel), reading(_bot_info))

    def _get(self, api: str, path: str, channel: str) -> Call:
        return Call(api, "GET", f"{self._transport.api_url}/v2/bot/{path}", channel)


def _quota(fields: dict[str, Any]) -> Quota:
    return Quota(None if fields["type"] == "none" else int(fields["value"]))


def _bot_info(fields: dict[str, Any]) -> BotInfo:
    return BotInfo(
        fields["userId"], fields["basicId"], fields["displayName"], fields.get("premiumId"), fields.get("chatMode")
    )
