"""What staff write to a contact: by the kept reply token while it is fresh, else pushed; once a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.ticketing.conversations.changes import Change, ConversationChanges
from services.ticketing.conversations.errands import note_reply_item
from services.ticketing.conversations.model import Conversation, ReplyToken, note_reply, take_token
from services.ticketing.messages.model import PENDING, Delivery, Message
from services.ticketing.messages.store import MessageStore
from shared.answers import notice_item
from shared.answers.model import NEW
from shared.clock import Now
from shared.ids import split_contact
from shared.mongo import Document
from shared.preconditions import body_digest, same_request

REPLY = "reply"


@dataclass(frozen=True)
class Replies:
    """Sends what staff write."""

    changes: ConversationChanges
    messages: MessageStore
    now: Now

    async def send(self, reply_id: str, contact: str, said: Sequence[dict[str, Any]], by: str) -> Message | None:
        """Send messages to a contact and return the entry of the thread with what became of it so far.

        Args:
            reply_id: of the request; the same one again sends nothing and returns the same entry.
            contact: whose conversation.
            said: 1 to 5 LINE message objects.
            by: who writes.

        Raises:
            Problem: 422, the id was used for other words.
        """
        channel, digest = split_contact(contact)[0], body_digest(said)
        entry = Message(
            id=reply_id,
            channel=channel,
            contact=contact,
            direction="out",
            kind=REPLY,
            at=self.now(),
            messages=tuple(said),
            by=by,
            delivery=Delivery(PENDING),
            digest=digest,
        )
        if not await self.messages.add(entry):
            known = await self.messages.get(channel, reply_id)
            if known is None or known.delivery is None or known.delivery.state != PENDING:
                return _same(known, digest)
            entry = _same(known, digest) or entry
        await self.changes.of_known(contact, self._decide(entry, by))
        return await self.messages.get(channel, reply_id)

    def _decide(self, entry: Message, by: str) -> Any:
        def decide(conversation: Conversation) -> Change:
            now = self.now()
            if not note_reply(conversation, entry.id, now):
                return Change()
            item = _item(entry, take_token(conversation, now))
            told = note_reply_item(entry.id, contact=entry.contact, by=by, at=now)
            return Change(sends=[item, told], touched=True)

        return decide


def _same(known: Message | None, digest: str) -> Message | None:
    if known is not None:
        same_request(known.digest or "", digest)
    return known


def _item(entry: Message, token: ReplyToken | None) -> Document:
    """Return the outbox item: a reply where a token is still fresh, falling back to a push as every answer."""
    item = notice_item(entry.id, purpose=REPLY, messages=entry.messages, contact=entry.contact, at=entry.at)
    if token is None:
        return item
    return item | {"reply_token": token.value, "received_at": token.received_at, "state": NEW}
