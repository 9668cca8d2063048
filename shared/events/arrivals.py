"""What came in from outside: line.events, web.events, commerce.events."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from shared.events.base import Event, Fact


class LineEventReceived(Event):
    """line.events: a webhook event as LINE sent it. Consumers read it by `shared.line_events`, not by this model."""

    channel: str
    destination: str
    received_at: datetime
    event: dict[str, Any]


class LinkClicked(Fact):
    """web.events: a person (or a link-preview robot) opened a tracked link."""

    type: Literal["link_clicked"] = "link_clicked"
    link: str
    url: str
    visitor: str | None = None
    member: str | None = None
    robot: bool = False


class PageViewed(Fact):
    """web.events: a public page was shown."""

    type: Literal["page_viewed"] = "page_viewed"
    page: str
    visitor: str | None = None


class SourceHit(Fact):
    """web.events: someone came to an add-friend source. `contact` only where LIFF vouched for the user."""

    type: Literal["source_hit"] = "source_hit"
    source: str
    visitor: str | None = None
    contact: str | None = None
    robot: bool = False


class CommerceReceived(Event):
    """commerce.events: a signed callback of a shop or donation site, its `data` as sent."""

    id: str
    type: str
    kind: Literal["orders", "donations", "bindings"]
    source: str
    channel: str
    customer_key: str | None = None
    occurred_at: datetime
    received_at: datetime
    data: dict[str, Any]
