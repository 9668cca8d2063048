"""Accounts, people and accepted calls for the story's own tests."""

from __future__ import annotations

from typing import Any

from musubi.demo.ledger import Contact, Ledger
from shared.channels import Channel

ANN, BEN = "U" + "a" * 32, "U" + "b" * 32
CAFE_ANN: Contact = ("cafe", ANN)


def channel(slug: str = "cafe", **greetings: str) -> Channel:
    """An account that greets and confirms, unless other texts are given."""
    return Channel.model_validate(
        {
            "slug": slug,
            "name": "Café",
            "destination": "U" + "0" * 32,
            "basic_id": "@cafe",
            "channel_secret": "s",
            "access_token": "t",
            "timezone": "Asia/Taipei",
            "language": "zh-TW",
            "greetings": greetings or {"new": "hi", "returning": "hi again", "linked": "linked"},
        }
    )


def ledger(**greetings: str) -> Ledger:
    """An empty ledger of one account, `cafe`."""
    return Ledger({"cafe": channel(**greetings)})


def accept(api: str, user: str = ANN, event: str | None = None, slug: str = "cafe") -> dict[str, Any]:
    """An entry of the accept log."""
    return {"api": api, "channel": slug, "to": [user], "webhook_event_id": event, "request_id": "req-1"}


def member(**differs: Any) -> dict[str, Any]:
    """What binding says of Ann, a friend who is not bound."""
    contact = {"id": f"cafe:{ANN}", "following": True, "source": None, "source_basis": None}
    return {"bound": differs.pop("bound", False), "contacts": [contact | differs]}
