"""Changing a conversation: read, decide, write by compare-and-set with its outbox items, dispatch (design §5)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.ticketing.conversations.model import Conversation
from services.ticketing.conversations.store import Conflict, ConversationStore
from services.ticketing.messages.store import MessageStore
from shared import topics
from shared.answers import ANSWER
from shared.clock import Now
from shared.consumer import WorldDown
from shared.events import DeskFact
from shared.ids import split_contact
from shared.mongo import Document
from shared.outbox import Outbox, publication

ATTEMPTS = 50


@dataclass
class Change:
    """What a decision did to a conversation: facts to tell, what else its outbox is to do."""

    facts: list[DeskFact] = field(default_factory=list)
    sends: list[Document] = field(default_factory=list)
    touched: bool = False
    """Whether there is anything to write at all."""


Decide = Callable[[Conversation], Change]
"""Changes the given conversation in place and says what follows. It may run several times, each on a fresh read."""


def outbox_items(change: Change) -> list[Document]:
    """Return the items of a change about to be written: facts in order, then the rest in order."""
    facts = [publication(topics.TICKET_EVENTS, fact.contact, fact, fact.id) for fact in change.facts]
    return facts + change.sends


def _after(conversation: Conversation, at: datetime) -> datetime:
    """Return a moment for an answer: never before what it answers, though LINE's clock be ahead of ours."""
    return max(at, conversation.last_in_at + timedelta(milliseconds=1)) if conversation.last_in_at else at


class ConversationChanges:
    """The one way in which conversations change."""

    def __init__(self, store: ConversationStore, messages: MessageStore, outbox: Outbox, now: Now) -> None:
        self.store = store
        self._messages = messages
        self._outbox = outbox
        self._now = now

    async def of_contact(self, contact: str, decide: Decide) -> Conversation:
        """Change a contact's conversation, made where there is none."""
        changed = await self._change(contact, decide, make=True)
        if changed is None:
            raise AssertionError("a contact always has a conversation")
        return changed

    async def of_known(self, contact: str, decide: Decide) -> Conversation | None:
        """Change a conversation; None where there is none. What `decide` raises comes out."""
        return await self._change(contact, decide, make=False)

    def _new(self, contact: str) -> Conversation:
        now = self._now()
        return Conversation(contact, split_contact(contact)[0], created_at=now, last_at=now)

    async def _change(self, contact: str, decide: Decide, *, make: bool) -> Conversation | None:
        for attempt in range(ATTEMPTS):
            conversation = await self.store.get(contact)
            if conversation is None:
                if not make:
                    return None
                conversation = self._new(contact)
            try:
                await self._write(conversation, decide, self._now())
            except Conflict:
                await asyncio.sleep(random.uniform(0, 0.005 * (attempt + 1)))  # noqa: S311
            else:
                return conversation
        raise WorldDown(f"the conversation kept changing during {ATTEMPTS} attempts")

    async def _write(self, conversation: Conversation, decide: Decide, at: datetime) -> None:
        alone = conversation.waiting == 0
        change = decide(conversation)
        if not change.touched and not change.facts and not change.sends:
            return
        items = outbox_items(change)
        await self.store.save(conversation, items, at)
        await self._messages.await_end([item for item in items if item["do"] == ANSWER], _after(conversation, at))
        if items:
            await self._outbox.dispatch(conversation.id, items if alone else None)
