"""The staff's side of the story: binding's API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from musubi.demo.http import Http
from musubi.demo.ledger import Contact

AT_ONCE = 12


class Staff:
    """Members, keys, links, as the shop and its site use them."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._room = asyncio.Semaphore(AT_ONCE)

    async def member(self, contact: Contact) -> dict[str, Any] | None:
        """Return the member that has a contact."""
        async with self._room:
            found: list[dict[str, Any]] = (await self._http.get("/v1/members", contact=":".join(contact)))["items"]
        return found[0] if found else None

    async def members(self, contacts: Iterable[Contact]) -> dict[Contact, dict[str, Any] | None]:
        """Return the members of many contacts."""
        contacts = list(contacts)
        return dict(zip(contacts, await asyncio.gather(*map(self.member, contacts)), strict=True))

    async def bind(self, member: str, customer: str) -> None:
        """Set a member's customer key."""
        async with self._room:
            await self._http.put(f"/v1/members/{member}/keys/customer", {"value": customer})

    async def source_link(self, slug: str, source: str) -> str:
        """Return the address of an add-friend source."""
        return str((await self._http.post("/v1/links/sources", {"channel": slug, "source": source}))["url"])

    async def click_link(self, slug: str, link: str, url: str, member: str) -> str:
        """Return the address of a member's own tracked link."""
        body = {"channel": slug, "link": link, "url": url, "member": member}
        return str((await self._http.post("/v1/links/clicks", body))["url"])

    async def account_link(self, slug: str, member: str, customer: str) -> str:
        """Ask LINE for the member's link token, log the customer in, and return where the shop sends the browser."""
        token = (await self._http.post(f"/v1/members/{member}/link-token", {}))["link_token"]
        body = {"channel": slug, "customer_key": customer, "link_token": token}
        return str((await self._http.post("/v1/account-links", body))["redirect_url"])
