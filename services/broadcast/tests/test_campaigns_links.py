"""Tracked links in messages of every shape: which are rewritten, what stays, and that LINE still takes the result."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.broadcast.campaigns.links import Tracked, track
from shared.clock import utcnow
from shared.line.messages import check_messages
from shared.line.rules import utf16_units
from shared.links import LinkKeys

CAMPAIGN = "cmp_0123456789abcdef0123456789abcdef"
KEYS = LinkKeys([("k1", bytes(32))])
SHOP = "https://shop.example/sale"


def sign(number: int, url: str) -> str:
    token = KEYS.sign_click(channel="shop", link=f"{CAMPAIGN}.{number}", url=url)
    return f"https://crm.example/r/{token}"


def tracked(*messages: dict[str, Any]) -> Tracked:
    assert check_messages(list(messages)) == []
    result = track(messages, CAMPAIGN, sign)
    assert check_messages(result.messages) == []
    return result


def leads_to(address: str) -> tuple[str, str]:
    click = KEYS.read_click(address.removeprefix("https://crm.example/r/"), utcnow())
    return click.link, click.url


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **more}


def button(uri: str, **more: Any) -> dict[str, Any]:
    return {"type": "uri", "label": "Open", "uri": uri, **more}


def test_the_same_address_twice_has_two_links() -> None:
    message = {
        "type": "template",
        "altText": "Sale",
        "template": {"type": "confirm", "text": "Which?", "actions": [button(SHOP), button(SHOP)]},
    }
    result = tracked(message)
    assert [(link.id, link.url, link.place) for link in result.links] == [
        (f"{CAMPAIGN}.1", SHOP, "/messages/0/template/actions/0/uri"),
        (f"{CAMPAIGN}.2", SHOP, "/messages/0/template/actions/1/uri"),
    ]
    actions = result.messages[0]["template"]["actions"]
    assert [leads_to(action["uri"]) for action in actions] == [(f"{CAMPAIGN}.1", SHOP), (f"{CAMPAIGN}.2", SHOP)]
    assert message["template"]["actions"][0]["uri"] == SHOP  # type: ignore[index]


AREA = {"x": 0, "y": 0, "width": 520, "height": 520}
PLACES: list[tuple[dict[str, Any], list[str]]] = [
    (
        {
            "type": "template",
            "altText": "a",
            "template": {
                "type": "carousel",
                "columns": [
                    {"text": "a", "defaultAction": button(SHOP), "actions": [button(SHOP)]},
                    {"text": "b", "actions": [{"type": "message", "label": "x", "text": SHOP}]},
                ],
            },
        },
        ["/template/columns/0/defaultAction/uri", "/template/columns/0/actions/0/uri"],
    ),
    (
        {
            "type": "template",
            "altText": "a",
            "template": {
                "type": "image_carousel",
                "columns": [{"imageUrl": "https://cdn.example/a.png", "action": {"type": "uri", "uri": SHOP}}],
            },
        },
        ["/template/columns/0/action/uri"],
    ),
    (
        {
            "type": "flex",
            "altText": "a",
            "contents": {
                "type": "bubble",
                "action": {"type": "uri", "uri": SHOP},
                "hero": {"type": "image", "url": "https://cdn.example/a.png", "action": {"type": "uri", "uri": SHOP}},
                "footer": {
                    "type": "box",
                    "layout": "vertical",
                    "contents": [{"type": "button", "action": button(SHOP, altUri={"desktop": SHOP + "/pc"})}],
                },
            },
        },
        [
            "/contents/action/uri",
            "/contents/hero/action/uri",
            "/contents/footer/contents/0/action/uri",
            "/contents/footer/contents/0/action/altUri/desktop",
        ],
    ),
    (
        {
            "type": "imagemap",
            "baseUrl": "https://cdn.example/map",
            "altText": "a",
            "baseSize": {"width": 1040, "height": 1040},
            "video": {
                "originalContentUrl": "https://cdn.example/a.mp4",
                "previewImageUrl": "https://cdn.example/a.png",
                "area": AREA,
                "externalLink": {"linkUri": SHOP, "label": "More"},
            },
            "actions": [
                {"type": "uri", "linkUri": SHOP, "area": AREA},
                {"type": "message", "text": "hi", "area": AREA},
            ],
        },
        ["/video/externalLink/linkUri", "/actions/0/linkUri"],
    ),
    (
        text("hello", quickReply={"items": [{"type": "action", "action": button(SHOP)}]}),
        ["/quickReply/items/0/action/uri"],
    ),
    (
        {
            "type": "image",
            "originalContentUrl": "https://cdn.example/a.png",
            "previewImageUrl": "https://cdn.example/a.png",
            "quickReply": {"items": [{"type": "action", "action": button("tel:+886212345678")}]},
        },
        [],
    ),
]


@pytest.mark.parametrize(("message", "places"), PLACES)
def test_every_area_that_opens_a_page_is_tracked_and_nothing_else(message: dict[str, Any], places: list[str]) -> None:
    result = tracked(text("first"), message)
    assert [link.place for link in result.links] == [f"/messages/1{place}" for place in places]


@pytest.mark.parametrize(
    ("content", "urls"),
    [
        (f"Sale: {SHOP}.", [SHOP]),
        (f"({SHOP}/a_(b)) and {SHOP}?x=1&y=2!", [f"{SHOP}/a_(b)", f"{SHOP}?x=1&y=2"]),
        (f"看{SHOP}看", [SHOP]),
        (f"{SHOP},{SHOP}", [f"{SHOP},{SHOP}"]),
        (f"{SHOP}\n{SHOP}", [SHOP, SHOP]),
        ("no address: shop.example, https:// and ftp://a.example", []),
    ],
)
def test_addresses_in_a_text_end_where_the_sentence_goes_on(content: str, urls: list[str]) -> None:
    result = tracked(text(content))
    assert [link.url for link in result.links] == urls
    rest = result.messages[0]["text"]
    for number, url in enumerate(urls, 1):
        rest = rest.replace(sign(number, url), url)
    assert rest == content


def test_emojis_after_a_longer_address_still_stand_on_their_sign() -> None:
    emoji = {"productId": "p", "emojiId": "1"}
    content = f"🍎 $ {SHOP}$ then {SHOP} $"
    places = [index for index, sign_ in enumerate(_units(content)) if sign_ == "$"]
    result = tracked(text(content, emojis=[{"index": place, **emoji} for place in places]))
    assert [link.url for link in result.links] == [SHOP, SHOP]


def _units(content: str) -> list[str]:
    return [unit for letter in content for unit in ([letter] if utf16_units(letter) == 1 else ["", ""])]


def test_a_placeholder_within_an_address_leaves_it_alone() -> None:
    substitution = {"who": {"type": "mention", "mentionee": {"type": "all"}}}
    message = {"type": "textV2", "text": f"{SHOP}/{{who}} {SHOP} {{who}}", "substitution": substitution}
    result = tracked(message)
    assert [link.url for link in result.links] == [SHOP]
    assert [each.url for each in result.untracked] == [f"{SHOP}/"]


@pytest.mark.parametrize(
    "uri",
    [
        "http://shop.example/",
        "https://user@shop.example/",
        "https://shop.example/" + "a" * 900,
        "https://liff.line.me/1650000001-abcdefgh",
        "https://line.me/R/ti/p/@shop",
        "https://lin.ee/abcdefg",
    ],
)
def test_what_cannot_be_tracked_stays_and_is_told(uri: str) -> None:
    message = text("a", quickReply={"items": [{"type": "action", "action": button(uri)}]})
    result = tracked(message)
    assert result.messages == [message]
    assert [(each.place, each.url) for each in result.untracked] == [("/messages/0/quickReply/items/0/action/uri", uri)]
    assert result.untracked[0].why


def test_a_long_text_is_tracked_as_far_as_there_is_room() -> None:
    first, second = SHOP + "/first", SHOP + "/second"
    content = f"{first} {second} "
    content += "x" * (5000 - 200 - len(content))
    result = tracked(text(content))
    assert [link.url for link in result.links] == [first]
    assert [each.url for each in result.untracked] == [second]


urls = st.builds(
    lambda host, path: f"https://{host}.example/{path}",
    st.text("abc", min_size=1, max_size=8),
    st.text("abcdefgh/?=&%20", max_size=700),
)
words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200)


@given(st.lists(st.one_of(words, urls.map(lambda url: f" {url} ")), max_size=20), st.lists(urls, max_size=13))
def test_whatever_is_written_the_result_is_as_valid_as_before(parts: list[str], buttons: list[str]) -> None:
    content = "".join(parts)[:4900] or "x"
    message = text(content)
    if buttons:
        message["quickReply"] = {"items": [{"type": "action", "action": button(url)} for url in buttons]}
    if check_messages([message]):
        return
    result = track([message], CAMPAIGN, sign)
    assert check_messages(result.messages) == []
    assert [link.id for link in result.links] == [f"{CAMPAIGN}.{n}" for n in range(1, len(result.links) + 1)]
    shown = str(result.messages)
    assert all(sign(n, link.url) in shown for n, link in enumerate(result.links, 1))
