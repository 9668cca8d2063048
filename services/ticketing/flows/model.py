"""A guided chat under way: it starts, takes what the friend sends, and ends once. Pure, deterministic, total.

A session is a plain document that the conversation keeps, with the name and version of its definition: who began under
an old version finishes under it. `start` begins one, `advance` takes one thing that arrived.

**Time-out.** A session without an answer for `timeout_minutes` is over. The friend is told when they next write, by a
reply, which is free and in place; a push hours later would cost quota and call someone back who has moved on. What they
wrote then belongs to no question: the caller treats it as an ordinary message, so that a start word begins anew.
"""

from __future__ import annotations

import copy
from datetime import datetime

from services.ticketing.flows.definition import Definition, PhotosQuestion
from services.ticketing.flows.photos import in_order
from services.ticketing.flows.session import Cancelled, Completed, Incoming, Outcome, Step, TimedOut, go_to, new_session
from services.ticketing.flows.turn import Turn, is_known
from services.ticketing.flows.wording import Json, say
from shared.mongo import Document

__all__ = [
    "Cancelled",
    "Completed",
    "Definition",
    "Incoming",
    "Outcome",
    "Step",
    "TimedOut",
    "advance",
    "expired",
    "forget_message",
    "start",
    "with_number",
]


def start(definition: Definition, session_id: str, at: datetime, *, language: str | None = None) -> Step:
    """Begin a session and ask its first question.

    Args:
        definition: the chat.
        session_id: unique; buttons of other sessions are told apart by it.
        at: the present moment.
        language: the friend's (LINE: BCP 47), where known.
    """
    session = new_session(definition, session_id, at, language)
    return go_to(definition, session, definition.steps[0].id)


def expired(session: Document, at: datetime) -> bool:
    """Whether a session's time is over: no person or screen should wait for its next answer."""
    return bool(at >= session["expires_at"])


def advance(definition: Definition, session: Document, incoming: Incoming, at: datetime) -> Step:
    """Take one thing that arrived. Never raises on any incoming; the given session is left as it is.

    Args:
        definition: the one the session names, in its version.
        session: from an earlier step.
        incoming: what arrived.
        at: when it arrived.

    Raises:
        ValueError: the definition is not the session's: a bug of the caller.
    """
    if (session["flow"], session["version"]) != (definition.name, definition.version):
        raise ValueError(f"the session needs version {session['version']} of flow {session['flow']}")
    if expired(session, at):
        return Step(None, [say(definition.timed_out, session["language"])], TimedOut())
    if is_known(session, incoming):
        return Step(session)
    return Turn(definition, copy.deepcopy(session), incoming, at).take() or Step(session)


def forget_message(definition: Definition, session: Document, message_id: str) -> Document:
    """Return the session without what a message said, because its sender took it back (LINE asks for it)."""
    kept = copy.deepcopy(session)
    for step in definition.steps:
        photos = [photo for photo in kept["photos"].get(step.id, ()) if photo["id"] != message_id]
        if step.id in kept["photos"]:
            kept["photos"][step.id] = photos
            if isinstance(step, PhotosQuestion) and step.id in kept["answers"]:
                kept["answers"][step.id] = in_order(photos)[: step.max]
    for step_id in [each for each, source in kept["messages"].items() if source == message_id]:
        kept["answers"][step_id] = None
        del kept["messages"][step_id]
    return kept


def with_number(replies: list[Json], number: str) -> list[Json]:
    """Return the replies of a completed chat with the opened ticket's number filled in."""
    return [
        {**reply, "text": reply["text"].replace("{number}", number)} if reply.get("type") == "text" else reply
        for reply in replies
    ]
