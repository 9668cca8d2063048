"""What LINE refuses, the stand-in refuses, with LINE's status and words."""

from __future__ import annotations

import io
from typing import Any

import pytest

from simulator.tests.stand import Stand

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = {"type": "text", "text": "hello"}
POSTBACK = {"type": "postback", "label": "Go", "data": "a=x"}


def details(message: str, where: str) -> list[dict[str, str]]:
    return [{"message": message, "property": where}]


def buttons(**change: Any) -> dict[str, Any]:
    template = {"type": "buttons", "text": "Choose", "actions": [POSTBACK]} | change
    return {"type": "template", "altText": "alt", "template": template}


def bubble(*contents: Any) -> dict[str, Any]:
    body = {"type": "box", "layout": "vertical", "contents": list(contents)}
    return {"type": "flex", "altText": "alt", "contents": {"type": "bubble", "body": body}}


REFUSED_MESSAGES = [
    ([], "Size must be between 1 and 5", "messages"),
    ([TEXT] * 6, "Size must be between 1 and 5", "messages"),
    ([{"type": "text"}], "May not be empty", "messages[0].text"),
    ([{"type": "text", "text": ""}], "May not be empty", "messages[0].text"),
    ([{"type": "text", "text": "x" * 5001}], "Length must be between 0 and 5000", "messages[0].text"),
    ([{"type": "text", "text": "🍎" * 2501}], "Length must be between 0 and 5000", "messages[0].text"),
    ([TEXT, {"type": "hologram"}], None, "messages[1].type"),
    ([{"type": "image", "originalContentUrl": "http://example.com/a.png", "previewImageUrl": "https://e.com/a"}],
     "invalid uri", "messages[0].originalContentUrl"),
    ([buttons(text="x" * 161)], "Length must be between 0 and 160", "messages[0].template.text"),
    ([buttons(title="T", text="x" * 61)], "Length must be between 0 and 60", "messages[0].template.text"),
    ([buttons(actions=[POSTBACK] * 5)], "Size must be between 1 and 4", "messages[0].template.actions"),
    ([buttons(actions=[POSTBACK | {"label": "x" * 21}])], "Length must be between 0 and 20",
     "messages[0].template.actions[0].label"),
    ([buttons(actions=[POSTBACK | {"data": "x" * 301}])], "Length must be between 0 and 300",
     "messages[0].template.actions[0].data"),
    ([buttons(actions=[{"type": "uri", "label": "x", "uri": "ftp://e.com"}])], "invalid uri scheme",
     "messages[0].template.actions[0].uri"),
    ([{"type": "template", "altText": "a", "template": {"type": "confirm", "text": "?", "actions": [POSTBACK]}}],
     "Size must be between 2 and 2", "messages[0].template.actions"),
    ([TEXT | {"quickReply": {"items": [{"type": "action", "action": POSTBACK}] * 14}}],
     "Size must be between 0 and 13", "messages[0].quickReply.items"),
    ([bubble({"type": "text"})], "May not be empty", "messages[0].contents.body.contents[0].text"),
    ([bubble({"type": "text", "text": "x" * 31_000})], "the size of the bubble must be 30 KB or less",
     "messages[0].contents"),
    ([{"type": "location", "title": "x" * 101, "address": "a", "latitude": 1, "longitude": 1}],
     "Length must be between 0 and 100", "messages[0].title"),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "message", "where"), REFUSED_MESSAGES)
async def test_a_bad_message_object_is_named_and_nothing_is_sent(
    stand: Stand, messages: list[Any], message: str | None, where: str
) -> None:
    (user,) = await stand.friends()
    body = {"to": user, "messages": messages}
    answer = await stand.api("POST", "/v2/bot/message/push", body)
    assert answer.status == 400
    assert answer.json["message"] == "The request body has 1 error(s)"
    assert answer.json["details"][0]["property"] == where
    assert message is None or answer.json["details"] == details(message, where)
    assert await stand.chat(user) == []
    checked = await stand.api("POST", "/v2/bot/message/validate/push", {"messages": messages})
    assert checked.json == answer.json


GOOD_MESSAGES = [
    TEXT,
    {"type": "text", "text": "🍎" * 2500},
    buttons(),
    bubble({"type": "text", "text": "hi"}, {"type": "separator"}, {"type": "button", "action": POSTBACK}),
    {"type": "sticker", "packageId": "446", "stickerId": "1988"},
    {"type": "image", "originalContentUrl": "https://e.com/a.png", "previewImageUrl": "https://e.com/a.png"},
    {"type": "location", "title": "t", "address": "a", "latitude": 25.0, "longitude": 121},
    {
        "type": "textV2",
        "text": "Hi {who}",
        "substitution": {"who": {"type": "emoji", "productId": "5", "emojiId": "1"}},
    },
    TEXT | {"quickReply": {"items": [{"type": "action", "action": {"type": "camera", "label": "Photo"}}]}},
]


@pytest.mark.parametrize("message", GOOD_MESSAGES)
async def test_a_good_message_arrives_as_it_was_sent(stand: Stand, message: dict[str, Any]) -> None:
    (user,) = await stand.friends()
    answer = await stand.push(user, message)
    assert answer.status == 200
    assert [line["message"] for line in await stand.chat(user)] == [message]
    assert answer.json["sentMessages"][0]["id"] == (await stand.chat(user))[0]["id"]


STRANGER = "U" + "f" * 32
GROUP = "C" + "f" * 32
USER = "@user"
MEN = {"type": "gender", "oneOf": ["male"]}
REFUSED_CALLS = [
    ("POST", "message/push", {"messages": [TEXT]}, 400, "The request body has 1 error(s)"),
    ("POST", "message/push", {"to": 7, "messages": [TEXT]}, 400,
     "The property, 'to', in the request body is invalid (line: -, column: -)"),
    ("POST", "message/push", {"to": STRANGER, "messages": [TEXT]}, 400, "Failed to send messages"),
    ("POST", "message/push", {"to": GROUP, "messages": [TEXT]}, 400, "Failed to send messages"),
    ("POST", "message/push", {"to": USER, "messages": [TEXT], "customAggregationUnits": ["a", "b"]}, 400,
     "The request body has 1 error(s)"),
    ("POST", "message/push", {"to": USER, "messages": [TEXT], "customAggregationUnits": ["no-dash"]}, 400,
     "The request body has 1 error(s)"),
    ("POST", "message/push", {"to": USER, "messages": [TEXT], "notificationDisabled": "yes"}, 400,
     "The property, 'notificationDisabled', in the request body is invalid (line: -, column: -)"),
    ("POST", "message/multicast", {"to": [USER] * 501, "messages": [TEXT]}, 400, "The request body has 1 error(s)"),
    ("POST", "message/multicast", {"to": [], "messages": [TEXT]}, 400, "The request body has 1 error(s)"),
    ("POST", "message/multicast", {"to": [USER, GROUP], "messages": [TEXT]}, 400,
     "The property, to[1], in the request body is invalid (line: -, column: -)"),
    ("POST", "message/reply", {"replyToken": "0" * 32, "messages": [TEXT]}, 400, "Invalid reply token"),
    ("POST", "message/narrowcast", {"messages": [TEXT], "limit": {"forbidPartialDelivery": True}}, 400,
     "The option forbidPartialDelivery must be used with upToRemainingQuota."),
    ("POST", "message/narrowcast", {"messages": [TEXT], "recipient": {"type": "audience", "audienceGroupId": 5}}, 400,
     "Invalid audience group id: 5"),
    ("POST", "message/narrowcast", {"messages": [TEXT], "filter": {"demographic": MEN}},
     403, "Your account does not have enough friends"),
    ("GET", "message/progress/narrowcast?requestId=none", None, 404, "Not found"),
    ("GET", f"profile/{STRANGER}", None, 404, "Not found"),
    ("GET", "profile/me", None, 400, "The value for the 'userId' parameter is invalid"),
    ("GET", "followers/ids?start=x", None, 400, "Invalid start param"),
    ("GET", "message/1/content", None, 404, "not found"),
    ("GET", "message/delivery/push?date=2026", None, 400, "The value for the 'date' parameter is invalid"),
    ("POST", f"user/{USER}/richmenu/richmenu-{'0' * 32}", None, 404, "Not found"),
    ("GET", f"user/{USER}/richmenu", None, 404, "the user has no richmenu"),
    ("GET", "user/all/richmenu", None, 404, "no default richmenu"),
    ("POST", "richmenu/bulk/link", {"richMenuId": "x", "userIds": [USER]}, 400, "The request body has 1 error(s)"),
    ("POST", "richmenu/bulk/link", {"richMenuId": f"richmenu-{'0' * 32}", "userIds": [USER]}, 404,
     "richmenu not found"),
    ("POST", "richmenu", {"name": "x"}, 400, "The request body has 4 error(s)"),
    ("POST", "chat/loading/start", {"chatId": GROUP}, 400, "The request body has 1 error(s)"),
    ("POST", "chat/loading/start", {"chatId": USER, "loadingSeconds": 63}, 400, "The request body has 2 error(s)"),
    ("PUT", "channel/webhook/endpoint", {"endpoint": "http://example.com"}, 400, "Invalid webhook endpoint URL"),
    ("GET", f"group/{GROUP}/summary", None, 404, "Not found"),
    ("POST", "audienceGroup/upload", {"description": "x" * 121}, 400, "size over audienceGroupName"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "message"), REFUSED_CALLS)
async def test_a_bad_call_gets_lines_own_answer(
    stand: Stand, method: str, path: str, body: Any, status: int, message: str
) -> None:
    (user,) = await stand.friends()
    filled = _with_user(body, user)
    answer = await stand.api(method, "/v2/bot/" + path.replace(USER, user), filled)
    assert (answer.status, answer.json["message"]) == (status, message)
    assert answer.headers["x-line-request-id"]
    assert (await stand.control("GET", "/accepts"))["items"] == []


def _with_user(body: Any, user: str) -> Any:
    if isinstance(body, dict):
        return {key: _with_user(value, user) for key, value in body.items()}
    if isinstance(body, list):
        return [_with_user(value, user) for value in body]
    return user if body == USER else body


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic token-cafe", "Bearer"])
async def test_without_a_valid_token_nothing_is_told(stand: Stand, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = await stand.call("GET", "/v2/bot/info", headers=headers)
    assert answer.status == 401
    assert answer.json["message"].startswith("Authentication failed due to the following reason: ")
    assert answer.headers["x-line-request-id"]


async def test_a_revoked_token_stops_working_until_it_is_restored(stand: Stand) -> None:
    await stand.control("POST", "/cafe/token/revoke", {})
    assert (await stand.api("GET", "/v2/bot/info")).status == 401
    assert (await stand.api("GET", "/v2/bot/info", token="token-repair")).status == 200
    await stand.control("POST", "/cafe/token/restore", {})
    assert (await stand.api("GET", "/v2/bot/info")).status == 200


async def test_bodies_must_be_json_of_at_most_two_megabytes(stand: Stand) -> None:
    head = {"authorization": "Bearer token-cafe", "content-type": "application/json"}
    path = "/v2/bot/message/push"
    broken = await stand.call("POST", path, data=b'{"to":', headers=head)
    assert broken.status == 400
    assert broken.json["message"].startswith("The request body could not be parsed as JSON (line: ")
    plain = await stand.call("POST", path, data=b"{}", headers=head | {"content-type": "text/plain"})
    assert (plain.status, plain.json["message"]) == (415, "The content type, text/plain, is not supported")
    big = await stand.call("POST", path, data=io.BytesIO(bytes(2 * 1024 * 1024 + 1)), headers=head)
    assert big.status == 413
