"""What staff see of conversations and messages, and what they send."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.ticketing.conversations.model import Conversation
from services.ticketing.messages.model import Message
from services.ticketing.people.model import Person

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
_HIDDEN = frozenset({"quoteToken", "markAsReadToken", "replyToken"})
"""LINE's tokens: of use to a program, of none to a reader."""


class PersonView(BaseModel):
    """Who the contact is, as binding told."""

    member: str
    bound: bool
    keys: list[str]
    tags: list[str]
    following: bool | None
    source: str | None


class ConversationView(BaseModel):
    """A conversation as staff see it."""

    id: str
    channel: str
    version: int
    state: Literal["open", "resolved"]
    opening: int
    opened_at: datetime | None
    resolved_at: datetime | None
    first_response_at: datetime | None
    last_at: datetime
    last_in_at: datetime | None
    last_out_at: datetime | None
    unread: int
    assignee: str | None
    team: str | None
    priority: Literal["normal", "high"]
    tags: list[str]
    flow: str | None
    """The guided flow under way."""
    person: PersonView | None = None


class ConversationPage(BaseModel):
    """A page of conversations."""

    items: list[ConversationView]
    next_cursor: str | None


class EarlierText(BaseModel):
    """A text that was edited since."""

    at: datetime
    text: str


class DeliveryView(BaseModel):
    """What became of an outgoing message."""

    state: str
    api: str | None
    request_id: str | None
    at: datetime | None


class MessageView(BaseModel):
    """An entry of the thread."""

    id: str
    direction: Literal["in", "out", "note", "system"]
    kind: str
    at: datetime
    text: str | None
    earlier: list[EarlierText]
    edited_at: datetime | None
    unsent_at: datetime | None
    payload: dict[str, Any] | None
    messages: list[dict[str, Any]]
    by: str | None
    event_id: str | None
    delivery: DeliveryView | None


class MessagePage(BaseModel):
    """A page of a thread, newest first."""

    items: list[MessageView]
    next_cursor: str | None


class ConversationPatch(BaseModel):
    """What staff change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["open", "resolved"] | None = None
    assignee: Label | None = None
    team: Label | None = None
    priority: Literal["normal", "high"] | None = None
    tags: Annotated[list[Label], Field(max_length=50)] | None = None

    @model_validator(mode="after")
    def _not_null(self) -> ConversationPatch:
        for name in ("state", "priority", "tags"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be null")
        return self


class ReplyBody(BaseModel):
    """What to say: a text, or LINE message objects."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=5000)] | None = None
    messages: list[dict[str, Any]] | None = None

    @model_validator(mode="after")
    def _one_of(self) -> ReplyBody:
        if (self.text is None) == (self.messages is None):
            raise ValueError("give either text or messages")
        return self

    @property
    def said(self) -> list[dict[str, Any]]:
        """The LINE message objects."""
        return self.messages if self.messages is not None else [{"type": "text", "text": self.text}]


class NoteBody(BaseModel):
    """A note among staff; the contact never sees it."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000)]


def conversation_view(conversation: Conversation, person: Person | None = None) -> ConversationView:
    """Return what staff see of a conversation."""
    shown = ConversationView.model_fields.keys() - {"flow", "person"}
    return ConversationView(
        **{name: getattr(conversation, name) for name in shown},
        flow=conversation.flow["flow"] if conversation.flow else None,
        person=PersonView.model_validate(person, from_attributes=True) if person else None,
    )


def message_view(message: Message) -> MessageView:
    """Return what staff see of a message."""
    texts, payload = message.by_time, message.payload
    return MessageView(
        id=message.id,
        direction=message.direction,
        kind=message.kind,
        at=message.at,
        text=message.text,
        earlier=[EarlierText(at=version.at, text=version.text) for version in texts[:-1]],
        edited_at=texts[-1].at if len(texts) > 1 else None,
        unsent_at=message.unsent_at,
        payload=None if payload is None else {name: value for name, value in payload.items() if name not in _HIDDEN},
        messages=[dict(each) for each in message.messages],
        by=message.by,
        event_id=message.event_id,
        delivery=DeliveryView.model_validate(message.delivery, from_attributes=True) if message.delivery else None,
    )
