"""The named friend: comes from a poster, is greeted, links the account, sees the member's menu, clicks a link."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit, urlunsplit

from deploy.local.progress import Progress
from musubi.demo.errors import StoryError
from musubi.demo.ledger import SEND_APIS, Contact, Ledger
from musubi.demo.line_side import LineSide
from musubi.demo.staff import Staff
from musubi.demo.waiting import until

NAME = "林小滿"
SOURCE = "shop-window"
SHOP_PAGE = "https://coffee.example/autumn"
PATIENCE_SECONDS = 60.0


class NamedFriend:
    """One person's way from stranger to member, step by step, each seen from their own phone."""

    def __init__(self, contact: Contact, crowd: str, line: LineSide, staff: Staff, ledger: Ledger) -> None:
        self._contact = contact
        self._slug, self._user = contact
        self._crowd = crowd
        self._line = line
        self._staff = staff
        self._ledger = ledger

    async def live(self, progress: Progress) -> None:
        """Play all steps.

        Raises:
            StoryError: a step did not lead to what the person should see.
        """
        await self._line.name(self._user, NAME)
        await self._come_from_a_source()
        began = time.monotonic()
        self._ledger.follow(self._contact, await self._line.act(self._slug, self._user, "follow"))
        await self._until(self._has_messages(1), "greeted")
        progress.done(f"{NAME} follows from the {SOURCE}, greeted after {time.monotonic() - began:.1f} s")
        member = await self._member()
        began = time.monotonic()
        await self._link_account(member)
        await self._until(self._has_messages(2), "told that the account is linked")
        await self._until(self._sees_member_menu, "shown the member's menu")
        progress.done(f"{NAME} is bound by account link, sees the member's menu after {time.monotonic() - began:.1f} s")
        await self._click(member)
        progress.done(f"{NAME} clicks a tracked link")

    async def _come_from_a_source(self) -> None:
        """Open the poster's link; LIFF's page then reports the ID token that LINE gave the browser."""
        link = await self._staff.source_link(self._slug, SOURCE)
        page = await self._line.open(self._slug, self._user, link)
        parts = urlsplit(page.get("url", ""))
        code, token = parse_qs(parts.query).get("code"), parse_qs(parts.fragment).get("id_token")
        if page.get("status") != 200 or not code or not token:
            raise StoryError(f"the link of the source {SOURCE} did not lead to the account's LIFF page")
        address = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        body = {"code": code[0], "id_token": token[0]}
        report = await self._line.open(self._slug, self._user, address, post=body)
        if report.get("status") != 200:
            raise StoryError(f"the account's LIFF page was answered {report.get('status')}")
        self._ledger.come_from(self._contact, SOURCE)

    async def _member(self) -> str:
        member = await self._staff.member(self._contact)
        if member is None:
            raise StoryError(f"{NAME} was greeted and is no member")
        return str(member["id"])

    async def _link_account(self, member: str) -> None:
        address = await self._staff.account_link(self._slug, member, f"{self._crowd}-vip")
        page = await self._line.open(self._slug, self._user, address)
        if page.get("status") != 200:
            raise StoryError(f"LINE's account link page answered {page.get('status')}")
        self._ledger.link(self._contact)

    async def _click(self, member: str) -> None:
        link = f"{self._crowd}-autumn"
        page = await self._line.open(
            self._slug, self._user, await self._staff.click_link(self._slug, link, SHOP_PAGE, member)
        )
        if page.get("external") != SHOP_PAGE:
            raise StoryError("the tracked link did not lead to the shop's page")
        self._ledger.click(self._slug, link)

    def _has_messages(self, count: int) -> Callable[[], Awaitable[bool]]:
        async def has() -> bool:
            await self._line.look()
            mine = (entry for entry in self._line.accepts if self._user in entry["to"])
            return sum(1 for entry in mine if entry["api"] in SEND_APIS and entry["channel"] == self._slug) >= count

        return has

    async def _sees_member_menu(self) -> bool:
        shown = (await self._line.user(self._slug, self._user))["rich_menu"]["effective"]
        return bool(shown == self._ledger.channels[self._slug].rich_menus.bound)

    async def _until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        if not await until(condition, PATIENCE_SECONDS, every=0.1):
            raise StoryError(f"{NAME} was not {what} within {PATIENCE_SECONDS:.0f} s")
