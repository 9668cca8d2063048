"""A guided repair from the customer's phone to staff and back: one ticket, one number, one notice a state."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from shared.ids import ulid
from shared.testing.spine import Spine
from shared.testing.waiting import eventually

pytestmark = pytest.mark.e2e

COFFEE = "musubi-coffee"
SEND = "送出"
ANSWERS = ["Ann", "0912-345-678", "Kettle K2", "It stays cold"]
FULL = {"name": "Ann", "phone": "+886912345678", "product": "Kettle K2", "fault": "It stays cold"}


async def chat(spine: Spine, user: str) -> list[dict[str, Any]]:
    """What the phone shows, oldest first."""
    lines: list[dict[str, Any]] = (await spine.ask(f"/users/{COFFEE}/{user}"))["chat"]
    return lines


async def told(spine: Spine, user: str) -> list[str]:
    """The texts the account sent."""
    return [line["message"].get("text", "") for line in await chat(spine, user) if line["from"] == "bot"]


async def until_told(spine: Spine, user: str, count: int) -> list[str]:
    """The texts the account sent, once there are so many."""

    async def enough() -> list[str] | None:
        texts = await told(spine, user)
        return texts if len(texts) >= count else None

    texts: list[str] = await eventually(enough, seconds=60)
    assert len(texts) == count
    return texts


async def up_to_the_photos(spine: Spine, user: str) -> int:
    """Let a user begin a repair and answer until photos are asked for; return how many texts that took."""
    for count, text in enumerate(["報修", *ANSWERS], start=1):
        await spine.act(COFFEE, user, "text", text=text)
        await until_told(spine, user, count)
    return 1 + len(ANSWERS)


async def send_photos(spine: Spine, user: str) -> list[str]:
    """Send three photos at once, which LINE delivers out of order; return their ids in the user's own order."""
    order, set_id = (3, 1, 2), ulid()
    photos = [{"do": "image", "user": user, "image_set": {"id": set_id, "total": 3, "index": each}} for each in order]
    await spine.tell("POST", f"/{COFFEE}/bulk", {"actions": photos})
    sent = [line["id"] for line in await chat(spine, user) if line["message"]["type"] == "image"]
    return [photo for _, photo in sorted(zip(order, sent, strict=True))]


async def complete_a_repair(spine: Spine, user: str) -> list[str]:
    """Let a user complete a repair; return the ids of the photos."""
    count = await up_to_the_photos(spine, user)
    photos = await send_photos(spine, user)
    await until_told(spine, user, count + 1)
    await spine.act(COFFEE, user, "text", text=SEND)
    return photos


async def desk(spine: Spine, method: str, path: str, **more: Any) -> httpx.Response:
    """Ask the desk, again where its process has just died."""

    async def answered() -> httpx.Response | None:
        try:
            return await spine.admin(method, "ticketing", path, **more)
        except httpx.TransportError:
            return None

    answer: httpx.Response = await eventually(answered, seconds=60, every=0.2)
    return answer


async def tickets_of(spine: Spine, user: str) -> list[dict[str, Any]]:
    answer = await desk(spine, "GET", "/v1/tickets", params={"contact": f"{COFFEE}:{user}"})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def the_ticket(spine: Spine, user: str) -> dict[str, Any]:
    """A user's one ticket."""
    found = await eventually(lambda: tickets_of(spine, user), seconds=60)
    assert len(found) == 1
    whole: dict[str, Any] = (await desk(spine, "GET", f"/v1/tickets/{found[0]['id']}")).json()
    return whole


async def change(spine: Spine, ticket: dict[str, Any], **patch: Any) -> httpx.Response:
    """Change a ticket as it was read."""
    headers = {"if-match": f'"{ticket["version"]}"'}
    return await desk(spine, "PATCH", f"/v1/tickets/{ticket['id']}", headers=headers, json=patch)


async def accept_whatever_dies(spine: Spine, user: str) -> None:
    """Accept a user's ticket by a desk that may die before it answers: staff look again, and see whether it is done."""
    while (ticket := await the_ticket(spine, user))["state"] == "new":
        await change(spine, ticket, state="accepted")


async def pushes(spine: Spine, user: str) -> int:
    return len(await spine.accepts(user=user, api="push"))


async def test_a_guided_repair_is_one_ticket_whose_number_is_replied_and_whose_states_are_told_once(
    spine: Spine,
) -> None:
    [user] = await spine.people(1)
    photos = await complete_a_repair(spine, user)
    texts = await until_told(spine, user, 7)
    ticket = await the_ticket(spine, user)

    assert f"{ticket['number']}" in texts[-1]
    assert (ticket["answers"], ticket["photos"], ticket["state"], ticket["kind"]) == (FULL, photos, "new", "repair")
    assert await pushes(spine, user) == 0

    taken = await change(spine, ticket, state="accepted", assignee="bob", team="north")
    assert taken.status_code == 200, taken.text
    assert (await change(spine, ticket, assignee="cid")).status_code == 412
    assert (await change(spine, taken.json(), state="closed")).status_code == 409
    working = await change(spine, taken.json(), state="in_progress")
    notices = (await until_told(spine, user, 9))[-2:]
    assert ["已受理" in notices[0], "處理中" in notices[1]] == [True, True]
    assert await pushes(spine, user) == 2
    assert [entry["field"] for entry in working.json()["history"]] == ["assignee", "team", "state", "state"]

    thread = await desk(spine, "GET", f"/v1/conversations/{COFFEE}:{user}/messages", params={"limit": 2})
    assert [entry["kind"] for entry in thread.json()["items"]] == ["ticket_notice"] * 2


async def test_the_first_words_of_staff_are_the_tickets_first_response(spine: Spine) -> None:
    [user] = await spine.people(1)
    await complete_a_repair(spine, user)
    await the_ticket(spine, user)
    await until_told(spine, user, 7)
    said = await desk(
        spine,
        "POST",
        f"/v1/conversations/{COFFEE}:{user}/replies",
        headers={"idempotency-key": ulid()},
        json={"text": "We are looking at it."},
    )
    assert said.status_code < 300, said.text

    async def answered() -> dict[str, Any] | None:
        clocks: dict[str, Any] = (await the_ticket(spine, user))["clocks"]
        return clocks if clocks["first_response_at"] else None

    clocks = await eventually(answered, seconds=60)
    assert 0 <= clocks["first_response_seconds"] < 120


async def test_two_repairs_at_once_are_one_ticket(spine: Spine) -> None:
    [user] = await spine.people(1)
    await spine.crowd(COFFEE, [user, user], "text", text="報修")
    await until_told(spine, user, 1)
    for count, text in enumerate(ANSWERS, start=2):
        await spine.act(COFFEE, user, "text", text=text)
        await until_told(spine, user, count)
    await send_photos(spine, user)
    await until_told(spine, user, 6)
    await spine.crowd(COFFEE, [user, user], "text", text=SEND)
    await until_told(spine, user, 7)
    await spine.until_idle()

    ticket = await the_ticket(spine, user)
    assert [f"{ticket['number']}" in text for text in await told(spine, user)][6:] == [True]


async def test_killing_the_desk_in_the_middle_changes_nothing(spine: Spine) -> None:
    users = await spine.people(6)

    async def repair(user: str) -> None:
        await complete_a_repair(spine, user)
        await until_told(spine, user, 7)
        await accept_whatever_dies(spine, user)
        await until_told(spine, user, 8)

    async def killing() -> None:
        for process in ("ticketing-1", "ticketing-2") * 2:
            spine.kill(process)
            await spine.until_ready("ticketing")

    await asyncio.gather(killing(), *(repair(user) for user in users))
    await spine.until_idle()

    tickets = [await the_ticket(spine, user) for user in users]
    assert len({ticket["number"] for ticket in tickets}) == len(users)
    for user, ticket in zip(users, tickets, strict=True):
        texts = await until_told(spine, user, 8)
        assert [f"{ticket['number']}" in text for text in texts[6:]] == [True, True]
        assert (ticket["answers"], len(ticket["photos"]), ticket["state"]) == (FULL, 3, "accepted")
