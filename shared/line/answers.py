"""What LINE's HTTP answers mean. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from shared.line.outcomes import (
    Accepted,
    Busy,
    Detail,
    Failure,
    Outcome,
    QuotaExhausted,
    RateLimited,
    Rejected,
    SentMessage,
    Unauthorised,
    Unknown,
)

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer below 500. `doubted`: an earlier attempt of this call may have been accepted."""

    status: int
    body: bytes = b""
    request_id: str | None = None
    accepted_request_id: str | None = None
    doubted: bool = False

    @property
    def ok(self) -> bool:
        """Whether LINE accepted the call."""
        return 200 <= self.status < 300

    def fields(self) -> dict[str, Any]:
        """Return the body's JSON object; an empty one where the body is anything else."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return body if isinstance(body, dict) else {}


def send_outcome(answer: Answer) -> Outcome:
    """Read the answer to a call that carries a retry key: 409 means an earlier attempt was accepted."""
    if answer.status == 409:
        request_id = answer.accepted_request_id or answer.request_id
        return Accepted(request_id, _sent_messages(answer), duplicate=True)
    return plain_outcome(answer)


def reply_outcome(answer: Answer) -> Outcome:
    """Read the answer to a reply: a used token after an attempt without an answer means that attempt delivered."""
    outcome = plain_outcome(answer)
    if answer.doubted and isinstance(outcome, Rejected) and outcome.invalid_reply_token:
        return Accepted(duplicate=True)
    return outcome


def plain_outcome(answer: Answer) -> Outcome:
    """Read the answer to any other call."""
    return Accepted(answer.request_id, _sent_messages(answer)) if answer.ok else failure(answer)


def reading(parse: Callable[[dict[str, Any]], ValueT]) -> Callable[[Answer], ValueT | Failure]:
    """Return what reads an answer whose body matters; a 2xx body that `parse` cannot take is `unreadable`."""

    def read(answer: Answer) -> ValueT | Failure:
        if not answer.ok:
            return failure(answer)
        try:
            return parse(answer.fields())
        except (KeyError, TypeError, ValueError, AttributeError):
            return Unknown("unreadable", may_have_been_accepted=True, request_id=answer.request_id)

    return read


def reading_or_absent(parse: Callable[[dict[str, Any]], ValueT]) -> Callable[[Answer], ValueT | Failure | None]:
    """Like `reading`, with None for a 404."""
    read = reading(parse)
    return lambda answer: None if answer.status == 404 else read(answer)


def failure(answer: Answer) -> Failure:
    """Read an answer that is not 2xx."""
    if answer.status == 401:
        return Unauthorised(answer.request_id, answer.doubted)
    if answer.status == 429:
        return _too_many(answer)
    return Rejected(answer.status, error_message(answer), _details(answer), answer.request_id)


def error_message(answer: Answer) -> str:
    """Return LINE's message; OAuth endpoints have `error_description` instead."""
    fields = answer.fields()
    message = fields.get("message") or fields.get("error_description") or fields.get("error")
    return message if isinstance(message, str) else ""


def _too_many(answer: Answer) -> RateLimited | QuotaExhausted | Busy:
    """Tell 429's four causes apart: only the message does. An unfamiliar one counts as the rate limit."""
    text = error_message(answer).lower()
    if "month" in text or "quota" in text:
        return QuotaExhausted(answer.request_id, answer.doubted)
    if "concurrent" in text or "simultaneous" in text:
        return Busy("concurrency", answer.request_id, answer.doubted)
    if "same user" in text or "same recipient" in text:
        return Busy("same_user", answer.request_id, answer.doubted)
    return RateLimited(answer.request_id, answer.doubted)


def _sent_messages(answer: Answer) -> tuple[SentMessage, ...]:
    listed = answer.fields().get("sentMessages")
    if not isinstance(listed, list):
        return ()
    return tuple(
        SentMessage(each["id"], _text(each.get("quoteToken")))
        for each in listed
        if isinstance(each, dict) and isinstance(each.get("id"), str)
    )


def _details(answer: Answer) -> tuple[Detail, ...]:
    listed = answer.fields().get("details")
    if not isinstance(listed, list):
        return ()
    return tuple(
        Detail(_text(each.get("message")), _text(each.get("property"))) for each in listed if isinstance(each, dict)
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
