"""LINE's own Python SDK works against the stand-in unchanged but for its host."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from linebot.v3 import WebhookParser
from linebot.v3.messaging import (
    ApiException,
    AsyncApiClient,
    AsyncMessagingApi,
    AsyncMessagingApiBlob,
    Configuration,
    FlexContainer,
    FlexMessage,
    MulticastRequest,
    PushMessageRequest,
    ReplyMessageRequest,
    RichMenuRequest,
    TextMessage,
)

from simulator.tests.stand import BOUND, SECRET, Stand
from simulator.world.drawing import Canvas

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def client(stand: Stand) -> AsyncIterator[Any]:
    """Return the SDK's client, pointed at the stand-in."""
    async with AsyncApiClient(Configuration(host=stand.url, access_token="token-cafe")) as client:
        yield client


async def test_reply_push_multicast_and_quota(stand: Stand, client: Any) -> None:
    line = AsyncMessagingApi(client)
    (user,) = await stand.friends()
    event = await stand.event("follow")
    text = TextMessage(text="Welcome")
    replied = await line.reply_message(ReplyMessageRequest(replyToken=event["replyToken"], messages=[text]))
    assert replied.sent_messages[0].quote_token
    key = str(uuid.uuid4())
    pushed = await line.push_message_with_http_info(
        PushMessageRequest(to=user, messages=[text], customAggregationUnits=["spring"]), x_line_retry_key=key
    )
    assert pushed.headers["x-line-request-id"]
    with pytest.raises(ApiException) as conflict:
        await line.push_message(PushMessageRequest(to=user, messages=[text]), x_line_retry_key=key)
    assert conflict.value.status == 409
    assert conflict.value.headers["x-line-accepted-request-id"] == pushed.headers["x-line-request-id"]
    body = {
        "type": "bubble",
        "body": {"type": "box", "layout": "vertical", "contents": [{"type": "text", "text": "x"}]},
    }
    flex = FlexMessage(altText="card", contents=FlexContainer.from_dict(body))
    await line.multicast(MulticastRequest(to=[user], messages=[flex]))
    assert [line["message"]["type"] for line in await stand.chat(user)] == ["text", "text", "flex"]
    assert (await line.get_message_quota()).type == "none"
    assert (await line.get_message_quota_consumption()).total_usage == 2
    assert (await line.get_aggregation_unit_name_list()).custom_aggregation_units == ["spring"]


async def test_profile_bot_info_and_followers(stand: Stand, client: Any) -> None:
    line = AsyncMessagingApi(client)
    (user,) = await stand.friends()
    assert (await line.get_profile(user)).user_id == user
    assert (await line.get_bot_info()).basic_id == "@musubi-cafe"
    assert (await line.get_followers()).user_ids == [user]
    assert (await line.issue_link_token(user)).link_token
    with pytest.raises(ApiException) as missing:
        await line.get_profile("U" + "0" * 32)
    assert missing.value.status == 404


async def test_rich_menus_and_content(stand: Stand, client: Any) -> None:
    line, blob = AsyncMessagingApi(client), AsyncMessagingApiBlob(client)
    (user,) = await stand.friends()
    menu = RichMenuRequest.from_dict(
        {"size": {"width": 800, "height": 300}, "selected": False, "name": "m", "chatBarText": "m", "areas": []}
    )
    menu_id = (await line.create_rich_menu(menu)).rich_menu_id
    picture = Canvas(800, 300, ((9, 9, 9),)).png()
    await blob.set_rich_menu_image(menu_id, body=picture, _headers={"Content-Type": "image/png"})
    assert bytes(await blob.get_rich_menu_image(menu_id)) == picture
    await line.link_rich_menu_id_to_user(user, BOUND)
    assert (await line.get_rich_menu_id_of_user(user)).rich_menu_id == BOUND
    sent = await stand.act(user, "image")
    assert bytes(await blob.get_message_content(sent["message_id"])).startswith(b"\x89PNG")


async def test_the_sdk_parses_every_webhook_into_its_own_class(stand: Stand) -> None:
    (user,) = await stand.friends()
    for action, params in (("text", {"text": "hi"}), ("image", {}), ("postback", {"data": "a=x"}), ("block", {})):
        await stand.act(user, action, **params)
    await stand.dispatcher.quiet(5)
    parser = WebhookParser(SECRET)
    parsed = [event for sig, body in stand.receiver.webhooks for event in parser.parse(body.decode(), sig)]
    names = {type(event).__name__ for event in parsed}
    assert names == {"FollowEvent", "MessageEvent", "PostbackEvent", "UnfollowEvent"}
