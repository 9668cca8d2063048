"""The desk's side of the story: ticketing's API, as the shop's staff use it."""

from __future__ import annotations

import contextlib
from typing import Any

from musubi.demo.errors import ChangedMeanwhile, StoryError
from musubi.demo.http import Http
from musubi.demo.ledger import Contact
from shared.ids import ulid

OFFER, OFFER_FOR_MEMBERS, REPAIR = "story-offer", "story-offer-members", "story-repair"
MOST_READS = 10
OFFER_WORD, REPAIR_WORD = "story offer", "story repair"
"""What the story's people write. No other keyword of an account is like these."""
OFFER_TEXT = "Bind your account to see what members get."
OFFER_TEXT_FOR_MEMBERS = "For members: the second cup is on us."


class Desk:
    """Auto-replies, tickets and conversations."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def prepare(self, slug: str) -> None:
        """Give an account the story's keywords: one answered by bound state, one that begins the guided repair."""
        texts = {OFFER: ("unbound", OFFER_TEXT), OFFER_FOR_MEMBERS: ("bound", OFFER_TEXT_FOR_MEMBERS)}
        for name, (audience, text) in texts.items():
            messages = [{"type": "text", "text": text}]
            await self._rule(slug, name, {"keywords": [OFFER_WORD], "audience": audience, "messages": messages})
        await self._rule(
            slug, REPAIR, {"keywords": [REPAIR_WORD], "audience": "any", "action": {"start_flow": "repair"}}
        )

    async def _rule(self, slug: str, name: str, rule: dict[str, Any]) -> None:
        """Set a rule where the account does not have it as it is wanted."""
        rules = {each["name"]: each for each in (await self._http.get(f"/v1/auto-replies/{slug}"))["items"]}
        there = rules.get(name)
        if there is None or any(there.get(field) != value for field, value in rule.items()):
            await self._http.put(f"/v1/auto-replies/{slug}/{name}", rule, there["version"] if there else None)

    async def tickets(self, contact: Contact) -> list[dict[str, Any]]:
        """Return the tickets of a contact."""
        items: list[dict[str, Any]] = (
            await self._http.get("/v1/tickets", channel=contact[0], contact=":".join(contact))
        )["items"]
        return items

    async def change(self, ticket_id: str, **fields: Any) -> dict[str, Any]:
        """Change a ticket as it was read; where it has moved on meanwhile, read it again, as staff would."""
        path = f"/v1/tickets/{ticket_id}"
        for _ in range(MOST_READS):
            with contextlib.suppress(ChangedMeanwhile):
                version = (await self._http.get(path))["version"]
                changed: dict[str, Any] = await self._http.patch(path, fields, version)
                return changed
        raise StoryError(f"a ticket kept changing while staff changed it, {MOST_READS} times")

    async def reply(self, contact: Contact, text: str) -> None:
        """Answer a customer in the conversation."""
        await self._http.post(f"/v1/conversations/{':'.join(contact)}/replies", {"text": text}, key=ulid())

    async def conversation(self, contact: Contact) -> dict[str, Any]:
        """Return a contact's conversation."""
        found: dict[str, Any] = await self._http.get(f"/v1/conversations/{':'.join(contact)}")
        return found
