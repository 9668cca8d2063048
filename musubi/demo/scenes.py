"""The scenes: each takes the story and brings it one step on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from musubi.demo.cast import Part, adding, blocking, mixed, talking
from musubi.demo.customer import RepairCustomer
from musubi.demo.errors import StoryError
from musubi.demo.friend import NamedFriend
from musubi.demo.ledger import Contact
from musubi.demo.line_side import LineSide
from musubi.demo.setting import Story
from musubi.demo.waiting import until

DUPLICATE_EVERY = 10
JOINS = "binding"
NO_SUPERVISOR = "nothing supervises the processes of this stack from here: none joined and none was killed"

Joined = Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def every_tenth_webhook_twice(line: LineSide) -> AsyncIterator[None]:
    """Have LINE deliver every tenth webhook twice; afterwards webhooks travel as before."""
    before = await line.trouble()
    await line.set_trouble(before | {"duplicate_every": DUPLICATE_EVERY})
    try:
        yield
    except BaseException:
        # What ended the story is the news, not that the stand-in may be gone too.
        with contextlib.suppress(StoryError):
            await line.set_trouble(before)
        raise
    await line.set_trouble(before)


async def friends_come(story: Story, parts: Sequence[Part]) -> None:
    """People add the accounts."""
    story.progress.step(f"{len(parts):,} friends come")
    await story.crowd.act(adding(parts, story.users))
    await story.crowd.delivered()
    story.progress.done(f"{len(parts):,} friends came")


@contextlib.asynccontextmanager
async def a_process_joins(story: Story) -> AsyncIterator[Joined]:
    """Have one more process join while the block goes on, and leave at its end; gives what waits until it has."""
    replicas = story.replicas
    if replicas is None:
        if story.options.kill is not None:
            story.report.notes.append(NO_SUPERVISOR)
        yield _nobody
        return

    async def join() -> None:
        name = await replicas.join(JOINS)
        story.progress.done(f"{name} joined")

    joining = asyncio.create_task(join())
    try:
        yield lambda: joining
    finally:
        await asyncio.gather(joining, return_exceptions=True)
        await story.swallowed.look()
        await replicas.leave()


async def _nobody() -> None:
    """Nobody joins: there is nothing to wait for."""


async def a_friend_becomes_a_member(story: Story) -> None:
    """The named friend goes all the way."""
    await NamedFriend(story.friend, story.report.crowd, story.line, story.staff, story.ledger).live(story.progress)


async def a_customer_has_a_machine_repaired(story: Story) -> None:
    """A customer asks by keyword, reports a fault in a guided chat, and staff see to it."""
    for slug in story.ledger.channels:
        await story.desk.prepare(slug)
    customer = RepairCustomer(story.customer, story.report.crowd, story.line, story.staff, story.desk, story.ledger)
    ticket = await customer.live(story.progress)
    clocks = ticket["clocks"]
    story.report.ticket = {
        "number": ticket["number"],
        "state": ticket["state"],
        "photos": len(ticket["photos"]),
        "first_response_seconds": clocks["first_response_seconds"],
        "resolution_seconds": clocks["resolution_seconds"],
    }


async def staff_bind_some(story: Story, parts: Sequence[Part]) -> None:
    """The shop's staff set the customer keys of some, as soon as binding knows them."""
    bound = [(part.channel, story.users[part.number]) for part in parts if part.bound_by_staff]

    async def bind(number: int, contact: Contact) -> None:
        member = await until(lambda: story.staff.member(contact), story.options.patience)
        if member is None:
            raise StoryError(f"{contact[0]}: a friend is no member after {story.options.patience:.0f} s")
        await story.staff.bind(member["id"], f"{story.report.crowd}-{number}")
        story.ledger.bind(contact)

    story.progress.step(f"staff bind {len(bound)} members")
    await asyncio.gather(*(bind(number, contact) for number, contact in enumerate(bound)))
    story.progress.done(f"staff bound {len(bound)} members")


async def more_come_and_one_is_killed(story: Story, first: Sequence[Part], second: Sequence[Part]) -> None:
    """The second half comes while the first talks; a process is killed at work, and more comes while it is dead."""
    actions = mixed(story.options.seed, adding(second, story.users) + talking(first, story.users))
    third = len(actions) // 3
    story.progress.step(f"{len(second):,} more come, the others talk: {len(actions):,} events")
    await story.crowd.act(actions[:third])
    _, killed = await asyncio.gather(story.crowd.act(actions[third : 2 * third]), _kill_one(story))
    await story.crowd.act(actions[2 * third :])
    await story.crowd.delivered()
    story.progress.done(f"{len(second):,} more came, the others talked")
    if killed is not None and story.replicas is not None:
        story.progress.step(f"waiting for {killed} to be back")
        await story.replicas.until_back(killed)
        story.progress.done(f"{killed} is back")


async def _kill_one(story: Story) -> str | None:
    service = story.options.kill
    if story.replicas is None or service is None:
        return None
    await story.crowd.until_moving(service)
    name = await story.replicas.kill(service)
    story.report.killed.append(name)
    story.progress.done(f"{name} was killed with kill -9 in the middle of it")
    return name


async def some_block_and_come_back(story: Story, first: Sequence[Part], second: Sequence[Part]) -> None:
    """Some block the accounts, some of those unblock them, and the second half talks."""
    everybody, users = [*first, *second], story.users
    gone = blocking(everybody, users)
    story.progress.step(f"{len(gone)} block the accounts")
    await story.crowd.act(gone)
    await story.crowd.delivered()
    back = adding([part for part in everybody if part.comes_back], users)
    talk = talking([part for part in second if part.comes_back or not part.blocks], users)
    story.progress.step(f"{len(back)} come back")
    await story.crowd.act(back)
    await story.crowd.delivered()
    await story.crowd.act(mixed(story.options.seed, talk))
    await story.crowd.delivered()
    story.progress.done(f"{len(gone)} blocked the accounts, {len(back)} of them came back, everybody talked")
