"""How a call to LINE ends: callers `match` on these, nothing is raised (design §6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

UnknownReason = Literal[
    "no_connection", "timeout", "connection_lost", "server_error", "unreadable", "held_back", "retry_key_expired"
]


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message LINE made of one message object; `quote_token` only for kinds that can be quoted."""

    id: str
    quote_token: str | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """One of LINE's error details: what is wrong and at which property, such as `messages[0].text`."""

    message: str | None
    property: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """LINE has it: any 2xx whatever its body, or an answer that says an earlier attempt was accepted.

    `request_id` names the accepted request: with `duplicate`, the earlier one where LINE tells it.
    """

    request_id: str | None = None
    sent_messages: tuple[SentMessage, ...] = ()
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """LINE refused it for good; the same call will be refused again. Its texts may quote the call: do not log them."""

    status: int
    message: str = ""
    details: tuple[Detail, ...] = ()
    request_id: str | None = None

    @property
    def invalid_reply_token(self) -> bool:
        """Whether the reply token is expired, used or malformed (LINE: 400 `Invalid reply token`)."""
        return self.status == 400 and "replytoken" in re.sub(r"[^a-z]", "", self.message.lower())


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Too many requests a second, minute or hour: slow down and call again (429)."""

    request_id: str | None = None
    may_have_been_accepted: bool = False
    """True where an earlier attempt got no answer: call again only with the same bytes and retry key."""


@dataclass(frozen=True, slots=True)
class QuotaExhausted:
    """The month's messages are used up or reserved: wait for a person or the next month (429)."""

    request_id: str | None = None
    may_have_been_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Busy:
    """The other two 429s: too many operations at once, or too many messages to the same user."""

    cause: Literal["concurrency", "same_user"]
    request_id: str | None = None
    may_have_been_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Unauthorised:
    """The channel access token is revoked or expired (401): no call of this channel will pass."""

    request_id: str | None = None
    may_have_been_accepted: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer that tells: time-out, reset or 5xx after all attempts, or attempts that were not allowed."""

    reason: UnknownReason
    may_have_been_accepted: bool
    request_id: str | None = None


Failure = Rejected | RateLimited | QuotaExhausted | Busy | Unauthorised | Unknown
Outcome = Accepted | Failure


def outcome_name(result: object) -> str:
    """Name a result for metrics and logs; what a reading call returns counts as accepted, None as absent."""
    match result:
        case Accepted(duplicate=True):
            return "duplicate"
        case None:
            return "absent"
        case Rejected():
            return "rejected"
        case RateLimited():
            return "rate_limited"
        case QuotaExhausted():
            return "quota_exhausted"
        case Busy():
            return "busy"
        case Unauthorised():
            return "unauthorised"
        case Unknown():
            return "unknown"
        case _:
            return "accepted"
