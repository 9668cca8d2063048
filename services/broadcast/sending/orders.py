"""What sending asks of campaigns and of people, so that it knows neither's documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.broadcast.sending.model import PauseReason, SkipReason


@dataclass(frozen=True, slots=True)
class Order:
    """A campaign whose frozen audience may be sent to now."""

    campaign: str
    channel: str
    priority: int
    """0 (notices) before 10 (campaigns)."""


@dataclass(frozen=True, slots=True)
class Content:
    """What everyone of a campaign gets; it does not change once the audience is frozen."""

    messages: Sequence[Mapping[str, Any]]
    """1 to 5 message objects, checked against LINE's limits."""
    unit: str | None = None
    """The aggregation unit that LINE's statistics go by."""
    notification_disabled: bool = False


class Orders(Protocol):
    """Campaigns, as the sender sees them. Every method may raise the store's unavailability."""

    async def running(self) -> Sequence[Order]:
        """Return the campaigns of all channels that may be sent now: running, and every chunk is there; in their turn.

        Asked before each handful of chunks, so it must be cheap: what is paused or cancelled stops by not being here.
        """

    async def content(self, campaign: str) -> Content:
        """Return what a running campaign sends; asked once a process and campaign."""

    async def pause(self, campaign: str, reason: PauseReason) -> None:
        """Pause a campaign; nothing where it does not run any more."""

    async def finish(self, campaign: str) -> None:
        """Note that no chunk is left; may be told twice, nothing where it does not run any more."""


class Reach(Protocol):
    """Who can be sent to at this moment."""

    async def unreachable(self, contacts: Sequence[str]) -> Mapping[str, SkipReason]:
        """Return those of the contacts that cannot be sent to now, and why: `blocked` for all but friends."""
