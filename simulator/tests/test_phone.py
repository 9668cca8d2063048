"""The phone page in a real browser: a person lives a friend's side with it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from simulator.tests.stand import BOUND, Stand
from simulator.world.drawing import sample_photo

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 860}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium once."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def errors() -> list[str]:
    """Collect what goes wrong inside the page."""
    return []


async def open_phone(browser: Browser, stand: Stand, errors: list[str], size: dict[str, int]) -> Page:
    page = await browser.new_page(viewport=size)  # type: ignore[arg-type]
    page.set_default_timeout(8000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{stand.url}/phone/")
    await expect(page.locator("#chat-title")).to_have_text("Musubi Coffee")
    return page


async def make_person(page: Page, name: str, *, narrow: bool) -> None:
    if narrow:
        await page.get_by_label("Choose account or person").click()
    await page.get_by_placeholder("New person’s name").fill(name)
    await page.get_by_role("button", name="Make", exact=True).click()
    await expect(page.locator("#chat-sub")).to_contain_text(name)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["390px", "desktop"])
async def test_a_person_is_made_adds_the_account_and_writes(
    stand: Stand, browser: Browser, errors: list[str], size: dict[str, int]
) -> None:
    page = await open_phone(browser, stand, errors, size)
    await make_person(page, "林小梅", narrow=size is PHONE)
    await page.get_by_role("button", name="Add as friend").click()
    follow = await stand.event("follow")
    await expect(page.locator("#friend")).to_have_text("Block")
    await page.get_by_placeholder("Message").fill("你好")
    await page.keyboard.press("Enter")
    assert (await stand.event("message"))["message"]["text"] == "你好"
    await stand.push(follow["source"]["userId"], {"type": "text", "text": "歡迎"})
    await expect(page.locator(".line.mine .bubble")).to_have_text("你好")
    await expect(page.locator(".line:not(.mine) .bubble")).to_have_text("歡迎")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await page.get_by_role("button", name="Block", exact=True).click()
    await stand.event("unfollow")
    await expect(page.locator("#friend")).to_have_text("Unblock")
    await page.close()
    assert errors == []


async def open_friend(
    stand: Stand, browser: Browser, errors: list[str], size: dict[str, int] = PHONE
) -> tuple[Page, str]:
    (user,) = await stand.friends()
    page = await browser.new_page(viewport=size)  # type: ignore[arg-type]
    page.set_default_timeout(8000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{stand.url}/phone/#cafe/{user}")
    await expect(page.locator("#friend")).to_have_text("Block")
    return page, user


async def postbacks(stand: Stand) -> list[str]:
    await stand.dispatcher.quiet(5)
    return [event["postback"]["data"] for event in stand.receiver.events if event["type"] == "postback"]


async def test_buttons_quick_replies_and_flex_can_be_pressed(stand: Stand, browser: Browser, errors: list[str]) -> None:
    page, user = await open_friend(stand, browser, errors)
    box = {"type": "box", "layout": "vertical"}
    press = {"type": "button", "style": "primary", "action": {"type": "postback", "label": "Card", "data": "a=flex"}}
    flex: dict[str, Any] = {"type": "bubble", "body": box | {"contents": [{"type": "text", "text": "Hello"}, press]}}
    choose = {"type": "buttons", "text": "Which?", "actions": [{"type": "postback", "label": "This", "data": "a=btn"}]}
    quick = {"type": "postback", "label": "Soon", "data": "a=quick", "displayText": "Soon, please"}
    asking = {"type": "text", "text": "When?", "quickReply": {"items": [{"type": "action", "action": quick}]}}
    await stand.push(
        user,
        {"type": "flex", "altText": "x", "contents": flex},
        {"type": "template", "altText": "x", "template": choose},
        asking,
    )
    await page.get_by_role("button", name="Card").click()
    await page.get_by_role("button", name="This").click()
    assert await postbacks(stand) == ["a=flex", "a=btn"]
    await stand.push(user, asking)
    await page.get_by_role("button", name="Soon").click()
    await expect(page.locator(".line.mine")).to_contain_text("Soon, please")
    await expect(page.locator("#quick")).to_be_hidden()
    assert (await postbacks(stand))[-1] == "a=quick"
    await page.close()
    assert errors == []


async def test_the_rich_menu_appears_when_linked_and_its_areas_work(
    stand: Stand, browser: Browser, errors: list[str]
) -> None:
    page, user = await open_friend(stand, browser, errors)
    await expect(page.locator("#menu")).to_be_hidden()
    await stand.api("POST", f"/v2/bot/user/{user}/richmenu/{BOUND}")
    await page.get_by_role("button", name="Points").click()
    assert await postbacks(stand) == ["a=points.show"]
    await page.locator("#menu-bar").click()
    await expect(page.locator("#menu-body")).to_be_hidden()
    await stand.api("DELETE", f"/v2/bot/user/{user}/richmenu")
    await expect(page.locator("#menu")).to_be_hidden()
    await page.close()
    assert errors == []


async def test_a_photo_and_a_sticker_leave_the_phone(
    stand: Stand, browser: Browser, errors: list[str], tmp_path: Path
) -> None:
    page, _ = await open_friend(stand, browser, errors)
    file = tmp_path / "photo.png"
    file.write_bytes(sample_photo())
    await page.locator("#photo").set_input_files(file)
    sent = await stand.event("message")
    content = await stand.api("GET", f"/v2/bot/message/{sent['message']['id']}/content")
    assert content.raw == sample_photo()
    await page.get_by_label("Send something else").click()
    await page.locator("[data-send=sticker]").click()
    await page.get_by_label("Sticker: happy").click()
    await expect(page.locator(".line.mine .sticker")).to_have_count(1)
    await stand.until(lambda: any(event["message"]["type"] == "sticker" for event in stand.receiver.events[1:]))
    await page.close()
    assert errors == []


async def test_account_link_is_finished_in_the_phones_own_browser(
    stand: Stand, browser: Browser, errors: list[str]
) -> None:
    page, user = await open_friend(stand, browser, errors)
    token = (await stand.api("POST", f"/v2/bot/user/{user}/linkToken")).json["linkToken"]
    url = f"{stand.url}/dialog/bot/accountLink?linkToken={token}&nonce=FGFyYQm7ktYOh8DjF9ld2g"
    action = {"type": "uri", "label": "Link", "uri": url}
    shape = {"type": "buttons", "text": "Link your account", "actions": [action]}
    await stand.push(user, {"type": "template", "altText": "Link", "template": shape})
    await page.get_by_role("button", name="Link", exact=True).click()
    await expect(page.frame_locator("#sheet-frame").get_by_role("heading")).to_have_text("Accounts linked")
    linked = await stand.event("accountLink")
    assert (linked["link"]["result"], linked["source"]["userId"]) == ("ok", user)
    await page.keyboard.press("Tab")
    await page.get_by_label("Close the browser").click()
    await expect(page.locator("#sheet")).to_be_hidden()
    await page.close()
    assert errors == []


async def test_a_fault_is_switched_on_and_off_from_the_bench(stand: Stand, browser: Browser, errors: list[str]) -> None:
    page, user = await open_friend(stand, browser, errors, DESKTOP)
    await page.get_by_label("Kind").select_option("500")
    await page.get_by_label("Call").select_option("push")
    await page.get_by_role("button", name="Switch on").click()
    await expect(page.locator("#fault-list")).to_contain_text("500: internal error · push")
    assert (await stand.push(user)).status == 500
    await page.get_by_role("button", name="Off", exact=True).click()
    await expect(page.locator("#fault-list li")).to_have_count(0)
    assert (await stand.push(user)).status == 200
    await expect(page.locator("#accepts")).to_contain_text("push")
    await page.close()
    assert errors == []


async def test_a_source_link_ends_where_line_asks_to_add_the_account(
    stand: Stand, browser: Browser, errors: list[str]
) -> None:
    page = await open_phone(browser, stand, errors, DESKTOP)
    await make_person(page, "新朋友", narrow=False)
    await page.get_by_label("Address").fill(f"{stand.url}/liff/2000000001-cafeliff?code=poster")
    await page.get_by_role("button", name="Open", exact=True).click()
    frame = page.frame_locator("#sheet-frame")
    await expect(frame.locator("body")).to_contain_text("page /liff/source?code=poster")
    await page.evaluate("document.getElementById('sheet-frame').src = '/health/live'")
    await expect(page.locator("#sheet")).to_be_hidden()
    await expect(page.locator("#friend")).to_be_focused()
    await page.close()
    assert errors == []


LIFF_APP = """<!doctype html><script src="{sim}/liff-sdk.js"></script><p id="out">…</p><script>
liff.init({{ liffId: "2000000001-cafeliff" }}).then(async () => {{
  const profile = await liff.getProfile();
  const friend = await liff.getFriendship();
  const parts = liff.getIDToken().split(".").length;
  out.textContent = [liff.isLoggedIn(), profile.userId, friend.friendFlag, parts].join(" ");
}});</script>"""


async def test_a_liff_app_knows_the_user_by_the_sdk_stand_in(stand: Stand, browser: Browser, errors: list[str]) -> None:
    page, user = await open_friend(stand, browser, errors)
    endpoint = stand.world.accounts["cafe"].liff_endpoint
    stand.receiver.html = LIFF_APP.format(sim=stand.url)
    await page.goto(f"{stand.url}/liff/2000000001-cafeliff?s=poster")
    await expect(page.locator("#out")).to_have_text(f"true {user} true 3")
    assert page.url == f"{endpoint}?s=poster"
    await page.close()
    assert errors == []
