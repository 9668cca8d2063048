"""The campaign: to bound friends, with a tracked link, at a slow LINE; its sender is killed; people click and block."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from typing import Any

from musubi.demo.errors import StoryError
from musubi.demo.ledger import Contact
from musubi.demo.marketing import LANDING_PAGE
from musubi.demo.setting import Story
from musubi.demo.waiting import until

LINE_MILLIS = 50
SENDER = "broadcast"
KILLED_AFTER = 0.25
"""Of the people, before the sender is killed."""
MOST_CHUNKS = 60
CLICK_EVERY, BLOCK_EVERY = 3, 10
BACKED_BY = re.compile(r"https?://\S+/r/\S+")


async def a_campaign_to_bound_friends(story: Story) -> None:
    """Send to everybody bound at the named friend's account, and see what they do."""
    slug = story.friend[0]
    people = sorted(contact for contact in story.ledger.bound if contact[0] == slug and story.ledger.following[contact])
    story.progress.step(f"a campaign to {len(people)} bound friends is written")
    expression = await _audience(story, slug, people)
    size = max(1, len(people) // MOST_CHUNKS)
    campaign = await story.marketing.campaign(slug, f"story {story.report.crowd}", expression, size)
    await story.marketing.check(campaign["id"])
    story.ledger.send(people)
    fault = await story.line.slow("multicast", LINE_MILLIS)
    try:
        await story.marketing.start(campaign["id"])
        killed = await _kill_the_sender(story, campaign["id"])
        await _until_finished(story, campaign["id"])
    finally:
        await story.line.end_fault(fault)
    if killed is not None and story.replicas is not None:
        await story.replicas.until_back(killed)
    story.progress.done(f"the campaign reached {len(people)} bound friends")
    await _people_click(story, campaign["id"], people[::CLICK_EVERY])
    await _people_block(story, [each for each in people[1::BLOCK_EVERY] if each != story.friend])
    story.report.campaign = campaign["id"]


async def _audience(story: Story, slug: str, people: Sequence[Contact]) -> dict[str, Any]:
    """Tag the people, and wait until broadcast knows all of them."""
    members = await story.staff.members(people)
    await story.marketing.tag([member["id"] for member in members.values() if member], story.report.crowd)
    bound, tagged = {"field": "bound", "is": True}, {"field": "tags", "has": story.report.crowd}
    expression = {"all": [bound, tagged]}

    async def known() -> bool:
        return await story.marketing.matched(slug, expression) == len(people)

    if not await until(known, story.options.patience):
        raise StoryError(f"broadcast does not know the {len(people)} bound and tagged friends")
    return expression


async def _kill_the_sender(story: Story, campaign: str) -> str | None:
    """Kill the sending process with kill -9 once a part has been sent."""
    if story.replicas is None or story.options.kill is None:
        return None

    async def midway() -> bool:
        progress = await story.marketing.progress(campaign)
        return bool(progress["accepted"] >= max(1, progress["frozen"]["recipients"] * KILLED_AFTER))

    await until(midway, story.options.patience, every=0.02)
    name = await story.replicas.kill(SENDER)
    story.report.killed.append(name)
    story.progress.done(f"{name} was killed with kill -9 while it sent the campaign")
    return name


async def _until_finished(story: Story, campaign: str) -> None:
    async def finished() -> bool:
        # While the killed process is started again, nobody may answer.
        with contextlib.suppress(StoryError):
            return bool((await story.marketing.progress(campaign))["state"] == "finished")
        return False

    if not await until(finished, story.options.patience, every=0.3):
        raise StoryError("the campaign did not come to its end")


async def _people_click(story: Story, campaign: str, people: Sequence[Contact]) -> None:
    """Some open the link they were sent, as it stands in their chat."""

    async def click(contact: Contact) -> None:
        lines = await story.line.chat(*contact)
        links = [link for line in lines for link in BACKED_BY.findall(str(line["message"].get("text")))]
        if not links:
            raise StoryError("a friend who was sent the campaign has no tracked link in the chat")
        page = await story.line.open(*contact, links[-1])
        if page.get("external") != LANDING_PAGE:
            raise StoryError("the campaign's tracked link did not lead to the shop's page")
        story.ledger.click(contact[0], f"{campaign}.1")
        story.ledger.facts[contact[0]]["campaign clicks"] += 1

    await asyncio.gather(*map(click, people))
    story.progress.done(f"{len(people)} click the campaign's link")


async def _people_block(story: Story, people: Sequence[Contact]) -> None:
    """Some block the account because of it: the campaign is charged with them."""
    await story.crowd.act([(slug, {"user": user, "do": "block"}) for slug, user in people])
    await story.crowd.delivered()
    for slug, _ in people:
        story.ledger.facts[slug]["campaign blocks"] += 1
    story.progress.done(f"{len(people)} block the account because of the campaign")
