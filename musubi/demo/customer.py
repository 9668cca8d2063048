"""The customer with a broken machine: asks before and after binding, is guided to a ticket, hears how it goes."""

from __future__ import annotations

import time
from typing import Any

from deploy.local.progress import Progress
from musubi.demo.desk import OFFER_TEXT, OFFER_TEXT_FOR_MEMBERS, OFFER_WORD, REPAIR_WORD, Desk
from musubi.demo.errors import StoryError
from musubi.demo.ledger import AUTO_REPLY, FLOW, STAFF_REPLY, TICKET_NOTICE, Contact, Ledger
from musubi.demo.line_side import LineSide
from musubi.demo.staff import Staff
from musubi.demo.waiting import until

NAME = "岡田さくら"
PATIENCE_SECONDS = 60.0
TECHNICIAN, TEAM = "ken", "repairs"
ANSWERS = (NAME, "090-1234-5678", "ME-100", "スイッチを入れても動きません")
"""To the guided repair's questions for name, phone, product and fault."""
SEND = "送信する"
"""Confirms the summary; every language of the built-in flow takes the button's own words."""
SEND_WORDS = {"ja": SEND, "zh-TW": "送出", "th": "ส่ง", "en": "Send"}
PHOTOS = 3
STATES = ("accepted", "in_progress", "ready")


class RepairCustomer:
    """One person's way from a keyword to a repaired machine, step by step, each seen from their own phone."""

    def __init__(self, contact: Contact, crowd: str, line: LineSide, staff: Staff, desk: Desk, ledger: Ledger) -> None:
        self._contact = contact
        self._slug, self._user = contact
        self._crowd = crowd
        self._line = line
        self._staff = staff
        self._desk = desk
        self._ledger = ledger
        self._said = 0

    async def live(self, progress: Progress) -> dict[str, Any]:
        """Play all steps; return the ticket as it stands at the end.

        Raises:
            StoryError: a step did not lead to what the person should see.
        """
        await self._line.name(self._user, NAME)
        self._ledger.follow(self._contact, await self._line.act(self._slug, self._user, "follow"))
        await self._until_told(1, "greeted")
        await self._ask_the_offer(progress)
        ticket = await self._report_the_fault(progress)
        return await self._have_it_repaired(ticket, progress)

    async def _ask_the_offer(self, progress: Progress) -> None:
        await self._say(OFFER_WORD, AUTO_REPLY)
        await self._until_read(OFFER_TEXT)
        member = await self._staff.member(self._contact)
        if member is None:
            raise StoryError(f"{NAME} was greeted and is no member")
        await self._staff.bind(member["id"], f"{self._crowd}-repair")
        self._ledger.bind(self._contact)
        if not await until(self._desk_knows_the_binding, PATIENCE_SECONDS):
            raise StoryError(f"ticketing did not learn in {PATIENCE_SECONDS:.0f} s that {NAME} is bound")
        await self._say(OFFER_WORD, AUTO_REPLY)
        await self._until_read(OFFER_TEXT_FOR_MEMBERS)
        progress.done(f"{NAME} asks for the offer before and after binding, and reads two different ones")

    async def _desk_knows_the_binding(self) -> bool:
        return bool(((await self._desk.conversation(self._contact))["person"] or {}).get("bound"))

    async def _report_the_fault(self, progress: Progress) -> dict[str, Any]:
        """Go through the guided repair, with three photos sent at once."""
        began = time.monotonic()
        for words in (REPAIR_WORD, *ANSWERS):
            await self._say(words, FLOW)
        await self._send_photos()
        language = self._ledger.channels[self._slug].language
        await self._say(SEND_WORDS.get(language, SEND_WORDS["en"]), FLOW)
        tickets = await self._desk.tickets(self._contact)
        if len(tickets) != 1:
            raise StoryError(f"{NAME}'s guided repair ended in {len(tickets)} tickets")
        ticket = tickets[0]
        await self._until_read(str(ticket["number"]))
        self._ledger.ticket(self._contact)
        seconds = time.monotonic() - began
        progress.done(f"{NAME} is guided to ticket {ticket['number']} with {PHOTOS} photos, in {seconds:.1f} s")
        return ticket

    async def _send_photos(self) -> None:
        album = {"id": f"{self._crowd}-album", "total": PHOTOS}
        numbers = (2, 1, 3)
        photos = [{"user": self._user, "do": "image", "image_set": album | {"index": number}} for number in numbers]
        events = await self._line.crowd([(self._slug, photo) for photo in photos], together=2)
        self._ledger.messages_together(self._contact, [event["webhook_event_id"] for event in events], "image", FLOW)
        await self._until_told(self._said + 1, "asked to confirm after the photos")

    async def _have_it_repaired(self, ticket: dict[str, Any], progress: Progress) -> dict[str, Any]:
        """Staff take the ticket, answer, and bring it on; the customer is told of each step."""
        ticket = await self._desk.change(ticket["id"], assignee=TECHNICIAN, team=TEAM)
        self._ledger.facts[self._slug]["tickets assigned"] += 1
        self._ledger.tell(self._contact, STAFF_REPLY, "staff's answer")
        await self._desk.reply(self._contact, "お預かりしました。今日中に見てみます。")
        await self._until_told(self._said + 1, "answered by staff")
        for state in STATES:
            self._ledger.tell(self._contact, TICKET_NOTICE, f"ticket {ticket['number']} is {state}")
            ticket = await self._desk.change(ticket["id"], state=state)
            await self._until_told(self._said + 1, f"told that the ticket is {state}")
        self._ledger.tell(self._contact, TICKET_NOTICE, f"ticket {ticket['number']} is closed")
        ticket = await self._desk.change(ticket["id"], state="closed")
        self._ledger.facts[self._slug]["tickets closed"] += 1
        await self._until_told(self._said + 1, "told that the ticket is closed")
        progress.done(f"staff take ticket {ticket['number']}, answer, and close it; {NAME} is told of each step")
        return ticket

    async def _say(self, words: str, answered: str) -> None:
        """Write something and wait for its answer."""
        event = await self._line.act(self._slug, self._user, "text", text=words)
        self._ledger.message(self._contact, event, "text", answered)
        await self._until_told(self._said + 1, f"answered to a message ({answered})")

    async def _until_told(self, count: int, what: str) -> None:
        async def told() -> bool:
            return await self._messages() >= count

        if not await until(told, PATIENCE_SECONDS, every=0.1):
            raise StoryError(f"{NAME} was not {what} within {PATIENCE_SECONDS:.0f} s")
        self._said = count

    async def _messages(self) -> int:
        """How many calls LINE has accepted for this person from this account."""
        await self._line.look()
        return sum(1 for entry in self._line.accepts if self._is_mine(entry))

    def _is_mine(self, entry: dict[str, Any]) -> bool:
        return entry["channel"] == self._slug and entry["api"] in {"reply", "push"} and self._user in entry["to"]

    async def _until_read(self, words: str) -> None:
        last = (await self._line.chat(self._slug, self._user))[-1]
        if last["from"] != "bot" or words not in str(last["message"].get("text")):
            raise StoryError(f"the last thing {NAME} reads is not what was to be said")
