"""Each way a call can end, against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from shared.channels import Channels
from shared.line.client import LineClient
from shared.line.outcomes import (
    Accepted,
    Busy,
    Detail,
    Outcome,
    QuotaExhausted,
    RateLimited,
    Rejected,
    SentMessage,
    Unauthorised,
    Unknown,
    outcome_name,
)
from shared.line.transport import Patience
from shared.settings import LineSettings

USER = "U" + "a" * 32
HELLO = [{"type": "text", "text": "hello"}]

ENDINGS: list[tuple[int, Any, Outcome]] = [
    (200, {"sentMessages": [{"id": "1", "quoteToken": "q"}, {"id": "2"}]},
     Accepted("req-1", (SentMessage("1", "q"), SentMessage("2")))),
    (200, {}, Accepted("req-1")),
    (200, b"", Accepted("req-1")),
    (200, b"<html>OK</html>", Accepted("req-1")),
    (200, b'{"sentMessages":', Accepted("req-1")),
    (200, {"sentMessages": [7, {"id": 5}, {}]}, Accepted("req-1")),
    (200, [1, 2], Accepted("req-1")),
    (202, {}, Accepted("req-1")),
    (204, b"", Accepted("req-1")),
    (400, {"message": "Failed to send messages"}, Rejected(400, "Failed to send messages", (), "req-1")),
    (400, {"message": "The request body has 1 error(s)",
           "details": [{"message": "May not be empty", "property": "messages[0].text"}, {"property": "to"}, 3]},
     Rejected(400, "The request body has 1 error(s)",
              (Detail("May not be empty", "messages[0].text"), Detail(None, "to")), "req-1")),
    (400, {"message": None, "details": None}, Rejected(400, "", (), "req-1")),
    (403, b"<html>no</html>", Rejected(403, "", (), "req-1")),
    (404, {"message": "Not found"}, Rejected(404, "Not found", (), "req-1")),
    (413, b"", Rejected(413, "", (), "req-1")),
    (302, b"", Rejected(302, "", (), "req-1")),
    (401, {"message": "Authentication failed due to the following reason: invalid token."}, Unauthorised("req-1")),
    (429, {"message": "The API rate limit has been exceeded. Try again later."}, RateLimited("req-1")),
    (429, {"message": "Rate limit exceeded, please try again"}, RateLimited("req-1")),
    (429, b"Too Many Requests", RateLimited("req-1")),
    (429, {"message": "You have reached your monthly limit."}, QuotaExhausted("req-1")),
    (429, {"message": "You've reached the monthly message limit"}, QuotaExhausted("req-1")),
    (429, {"message": "Your message quota is used up"}, QuotaExhausted("req-1")),
    (429, {"message": "The number of requests has exceeded the limit. Exceeded the limit on the number of "
                      "concurrent operations."}, Busy("concurrency", "req-1")),
    (429, {"message": "Too many simultaneous requests"}, Busy("concurrency", "req-1")),
    (429, {"message": "A large number of messages were sent to the same user."}, Busy("same_user", "req-1")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "expected"), ENDINGS)
async def test_an_answer_ends_in_its_outcome_after_one_attempt(
    line: LineClient, fake_line: Any, reply: Any, status: int, body: Any, expected: Outcome
) -> None:
    fake_line.answers(reply(status, body, location="http://127.0.0.1:1/elsewhere"))
    assert await line.sending.push("north", USER, HELLO, sent_id="s1") == expected
    assert len(fake_line.got) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_server_errors_after_all_attempts_are_unknown(
    line: LineClient, fake_line: Any, reply: Any, status: int
) -> None:
    fake_line.answers(reply(status, b"<html>bad gateway</html>"))
    outcome = await line.sending.push("north", USER, HELLO, sent_id="s1")
    assert outcome == Unknown("server_error", may_have_been_accepted=True, request_id="req-1")
    assert len(fake_line.got) == 3


@pytest.mark.parametrize(("kind", "reason"), [("hang", "timeout"), ("reset", "connection_lost")])
async def test_no_answer_after_all_attempts_is_unknown(
    hasty: LineClient, fake_line: Any, reply: Any, kind: str, reason: str
) -> None:
    fake_line.answers(reply(kind=kind))
    outcome = await hasty.sending.push("north", USER, HELLO, sent_id="s1")
    assert isinstance(outcome, Unknown)
    assert (outcome.reason, outcome.may_have_been_accepted) == (reason, True)
    assert len(fake_line.got) == 3


@pytest.mark.parametrize(("status", "expected"), [(200, Accepted("req-1")), (400, Rejected(400, request_id="req-1"))])
async def test_a_body_that_breaks_off_does_not_change_what_the_status_said(
    line: LineClient, fake_line: Any, reply: Any, status: int, expected: Outcome
) -> None:
    fake_line.answers(reply(status, b'{"sentMess', kind="cut"))
    assert await line.sending.push("north", USER, HELLO, sent_id="s1") == expected
    assert len(fake_line.got) == 1


async def test_a_server_that_cannot_be_reached_has_accepted_nothing(channels: Channels, registry: Any) -> None:
    nobody = LineSettings(line_api_url="http://127.0.0.1:1", line_data_url="http://127.0.0.1:1")
    quick = Patience(attempts=2, within=1, attempt=0.5, connect=0.5, backoff=0.001)
    async with LineClient(nobody, channels, registry, patience=quick) as client:
        outcome = await client.sending.push("north", USER, HELLO, sent_id="s1")
    assert outcome == Unknown("no_connection", may_have_been_accepted=False)


@pytest.mark.parametrize(
    ("status", "message", "recognised"),
    [
        (400, "Invalid reply token", True),
        (400, "invalid replyToken", True),
        (400, "The reply token is invalid or expired.", True),
        (400, "Failed to send messages", False),
        (403, "Invalid reply token", False),
    ],
)
def test_an_invalid_reply_token_is_recognised(status: int, message: str, recognised: bool) -> None:
    assert Rejected(status, message).invalid_reply_token is recognised


@pytest.mark.parametrize(
    ("result", "name"),
    [
        (Accepted(), "accepted"),
        (Accepted(duplicate=True), "duplicate"),
        (Rejected(400), "rejected"),
        (RateLimited(), "rate_limited"),
        (QuotaExhausted(), "quota_exhausted"),
        (Busy("same_user"), "busy"),
        (Unauthorised(), "unauthorised"),
        (Unknown("timeout", may_have_been_accepted=True), "unknown"),
        (None, "absent"),
        ("richmenu-1", "accepted"),
    ],
)
def test_outcomes_have_names_for_metrics(result: object, name: str) -> None:
    assert outcome_name(result) == name
