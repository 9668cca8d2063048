"""What a conversation is, and how it moves: pure rules.

A contact has one conversation for ever. It is opened, resolved and opened again; each `opening` has clocks of its own,
the thread is one (features F57).

    message ──► open (opening 1) ──resolved──► resolved ──message within the grace period──► open (the same opening)
                                                  └───────message later──► open (the next opening)
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from shared.events import ConversationClosed, ConversationOpened, DeskFact
from shared.ids import stable_uuid
from shared.mongo import Document

State = Literal["open", "resolved"]
Priority = Literal["normal", "high"]

TOKEN_LIFE = timedelta(seconds=50)
"""How long a kept reply token is good for an answer by staff (LINE: a minute, not guaranteed)."""

REPLIES_REMEMBERED = 50

_COURTESIES = frozenset(
    {
        *("thanks", "thankyou", "thx", "ty", "thankyouverymuch", "manythanks", "okthanks", "okthankyou"),
        *("謝謝", "謝謝你", "謝謝您", "感謝", "感謝您", "謝了", "多謝", "好的謝謝", "好謝謝", "谢谢"),
        *("ありがとう", "ありがとうございます", "ありがとうございました", "どうも"),
        *("ขอบคุณ", "ขอบคุณค่ะ", "ขอบคุณครับ", "ขอบคุณคะ", "ขอบคุณมาก"),
    }
)
"""Thanks, by their letters alone."""


@dataclass(frozen=True, slots=True)
class ReplyToken:
    """The newest event's reply token, kept for an answer by staff: free while it is fresh."""

    value: str
    received_at: datetime

    def fresh(self, now: datetime) -> bool:
        """Whether an answer may still be tried with it."""
        return now - self.received_at < TOKEN_LIFE


@dataclass(slots=True)
class Conversation:
    """A contact's thread. `version` is of the stored document; the next write makes it one higher."""

    id: str
    """The contact, `{channel}:{LINE user id}`."""
    channel: str
    created_at: datetime
    last_at: datetime
    """The newest activity of either side: what lists are ordered by."""
    version: int = 0
    state: State = "open"
    opening: int = 0
    opened_at: datetime | None = None
    resolved_at: datetime | None = None
    first_response_at: datetime | None = None
    """When staff first answered in this opening."""
    last_in_at: datetime | None = None
    last_out_at: datetime | None = None
    unread: int = 0
    assignee: str | None = None
    team: str | None = None
    priority: Priority = "normal"
    tags: list[str] = field(default_factory=list)
    token: ReplyToken | None = None
    replies: list[str] = field(default_factory=list)
    """Ids of the newest replies by staff: one that is among them was put on the outbox."""
    flow: Document | None = None
    """The guided flow's session under way, as `services/ticketing/flows` keeps it."""
    offsets: dict[str, int] = field(default_factory=dict)
    """Last offset applied, per topic: a record at or below it was applied before (second guard)."""
    waiting: int = 0
    """How many outbox items the stored document still had when it was read."""


def fact_id(kind: str, *parts: str) -> str:
    """Return the deterministic id of a fact of the desk."""
    return f"dev_{stable_uuid(kind, *parts).hex}"


def is_courtesy(text: str) -> bool:
    """Whether a text is nothing but thanks: it opens no conversation again."""
    whole = unicodedata.normalize("NFKC", text)
    return "".join(char for char in whole if unicodedata.category(char)[0] in "LMN").casefold() in _COURTESIES


def receive(
    conversation: Conversation, at: datetime, event_id: str, *, courtesy: bool, member: str | None, grace: timedelta
) -> list[DeskFact]:
    """Take in a customer's message; return the fact of a new opening.

    Args:
        conversation: changed in place.
        at: LINE's time of the message.
        event_id: makes the fact's id.
        courtesy: thanks or a sticker: after resolving it opens nothing.
        member: the contact's member where it is known.
        grace: how long after resolving the same opening is taken up again.
    """
    conversation.last_in_at = max(at, conversation.last_in_at or at)
    conversation.last_at = max(at, conversation.last_at)
    resolved_at = conversation.resolved_at
    if resolved_at is not None and courtesy:
        return []
    conversation.unread += 1
    if conversation.opening and resolved_at is None:
        return []
    if resolved_at is not None and at - resolved_at <= grace:
        reopen(conversation)
        return []
    return [_open_next(conversation, at, event_id, member)]


def _open_next(conversation: Conversation, at: datetime, event_id: str, member: str | None) -> DeskFact:
    conversation.opening += 1
    conversation.state, conversation.opened_at = "open", at
    conversation.resolved_at = conversation.first_response_at = conversation.assignee = None
    conversation.priority = "normal"
    return ConversationOpened(
        id=fact_id("conversation_opened", event_id),
        channel=conversation.channel,
        occurred_at=at,
        contact=conversation.id,
        member=member,
        opening=conversation.opening,
    )


def reopen(conversation: Conversation) -> None:
    """Take the same opening up again. Nothing is told: it was counted when it was opened."""
    conversation.state, conversation.resolved_at = "open", None


def resolve(conversation: Conversation, by: str, at: datetime, *, member: str | None) -> list[DeskFact]:
    """Close the opening and end a flow under way; return the fact. Resolved already, nothing changes.

    The fact's id is that of the opening: closed again after it was taken up again, consumers count it once.
    """
    if conversation.state == "resolved":
        return []
    conversation.state, conversation.resolved_at = "resolved", at
    conversation.unread, conversation.flow = 0, None
    opened_at, first = conversation.opened_at or at, conversation.first_response_at
    return [
        ConversationClosed(
            id=fact_id("conversation_closed", conversation.id, opened_at.isoformat()),
            channel=conversation.channel,
            occurred_at=at,
            contact=conversation.id,
            member=member,
            opening=conversation.opening,
            by=by,
            first_response_seconds=(first - opened_at).total_seconds() if first else None,
            resolution_seconds=(at - opened_at).total_seconds(),
        )
    ]


def note_answer(conversation: Conversation, at: datetime, *, by_staff: bool) -> None:
    """Note that the contact is answered; only people make a first response."""
    conversation.last_out_at = max(at, conversation.last_out_at or at)
    conversation.last_at = max(at, conversation.last_at)
    if by_staff and conversation.first_response_at is None and conversation.state == "open":
        conversation.first_response_at = at


def note_reply(conversation: Conversation, reply_id: str, at: datetime) -> bool:
    """Note a reply by staff; False where it was noted before."""
    if reply_id in conversation.replies:
        return False
    conversation.replies = [*conversation.replies, reply_id][-REPLIES_REMEMBERED:]
    note_answer(conversation, at, by_staff=True)
    return True


def take_token(conversation: Conversation, now: datetime) -> ReplyToken | None:
    """Take the kept reply token off, where it is still fresh: it is good for one answer."""
    token, conversation.token = conversation.token, None
    return token if token is not None and token.fresh(now) else None
