"""What a conversation asks of the tickets, as items of its outbox: each is carried out by the tickets' own courier."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.ticketing.flows.definition import Definition
from shared.mongo import Document

OPEN_TICKET = "open_ticket"
NOTE_REPLY = "note_reply"


def open_ticket_item(
    session: Mapping[str, Any],
    definition: Definition,
    answers: Mapping[str, Any],
    *,
    last_message: str | None,
    contact: str,
    member: str,
    at: datetime,
    answer: Document,
) -> Document:
    """Return the item that opens the one ticket of a completed flow, whose number is then answered.

    Args:
        session: the flow's session; its id makes the ticket's, so that a repeat finds it.
        definition: the flow; its `ticket_kind` is the ticket's kind.
        answers: text, E.164 phone, option id, or message ids of photos, by question.
        last_message: the id of the message that gave the last answer.
        contact: whose.
        member: the contact's.
        at: when the last answer came.
        answer: the item that takes this one's place, with `{number}` in its messages' texts still open.
    """
    last = {question: last_message for question in answers if last_message and question not in session["answers"]}
    return {
        "id": f"{session['id']}.ticket",
        "do": OPEN_TICKET,
        "session": session["id"],
        "flow": definition.name,
        "flow_version": definition.version,
        "kind": definition.ticket_kind,
        "answers": dict(answers),
        "sources": {**session["messages"], **last},
        "contact": contact,
        "member": member,
        "at": at,
        "answer": answer,
    }


def note_reply_item(reply_id: str, *, contact: str, by: str, at: datetime) -> Document:
    """Return the item that tells a contact's open tickets that staff answered."""
    return {"id": f"{reply_id}.note", "do": NOTE_REPLY, "reply": reply_id, "contact": contact, "by": by, "at": at}
