"""What a guided chat keeps and answers with, and how it goes from step to step. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.ticketing.flows.definition import END, BaseStep, Branch, ConfirmQuestion, Definition, Question, Say
from services.ticketing.flows.wording import Json, ask, language_for, say
from shared.mongo import Document


@dataclass(frozen=True, slots=True)
class Completed:
    """Every question is answered: text, E.164 phone, option id, or message ids of photos; null where skipped."""

    answers: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The friend wants no more of it."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No answer came in time. What has arrived now was not taken: it is an ordinary message."""


Outcome = Completed | Cancelled | TimedOut


@dataclass(frozen=True, slots=True)
class Incoming:
    """Something a friend sent.

    Args:
        kind: LINE's message type (text, image, sticker, …), or `postback`.
        text: of a text message.
        message_id: LINE's, where it is a message.
        image_set: LINE's `imageSet` of a photo that came with others.
        postback: the `data` of a postback.
        event_id: the webhook event's; the same one again changes nothing.
    """

    kind: str
    text: str | None = None
    message_id: str | None = None
    image_set: Mapping[str, Any] | None = None
    postback: str | None = None
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What follows: the session to keep (None once it is over), LINE message objects to reply with, how it ended.

    No replies and the same session: it was nothing for this chat, or nothing new.
    """

    session: Document | None
    replies: list[Json] = field(default_factory=list)
    outcome: Outcome | None = None


def new_session(definition: Definition, session_id: str, at: datetime, language: str | None) -> Document:
    """Return a session before its first question; it can be stored as it is."""
    return {
        "id": session_id,
        "flow": definition.name,
        "version": definition.version,
        "language": language_for(definition, language),
        "step": definition.steps[0].id,
        "answers": {},
        "messages": {},
        "photos": {},
        "refused_set": None,
        "events": [],
        "started_at": _to_millis(at),
        "expires_at": expiry(definition, at),
    }


def _to_millis(at: datetime) -> datetime:
    """Cut a moment to what the store keeps of it, so that a session reads back equal."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def expiry(definition: Definition, at: datetime) -> datetime:
    """Return when a session ends that gets no answer after `at`."""
    return _to_millis(at) + timedelta(minutes=definition.timeout_minutes)


def go_to(definition: Definition, session: Document, target: str) -> Step:
    """Go to a step and on, saying what is to be said, until a question or the end."""
    order = {step.id: index for index, step in enumerate(definition.steps)}
    replies: list[Json] = []
    while target in order:
        step = definition.steps[order[target]]
        if isinstance(step, Question | ConfirmQuestion):
            session["step"] = step.id
            return Step(session, [*replies, ask(definition, session, step, step.prompt)])
        if isinstance(step, Say):
            replies.append(say(step.text, session["language"]))
        target = after(definition, session, step)
    replies.append(say(definition.completed, session["language"]))
    return Step(None, replies, Completed(session["answers"]))


def after(definition: Definition, session: Document, step: BaseStep) -> str:
    """Return the id of the step after one, or `end`."""
    if isinstance(step, Branch) and (chosen := step.when.get(session["answers"].get(step.on))):
        return chosen
    if step.next is not None:
        return step.next
    ids = [each.id for each in definition.steps]
    following = ids[ids.index(step.id) + 1 :]
    return following[0] if following else END
