"""The setting: the running stack, the people, the ledger, wired; the first numbers taken."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp

from deploy.local.progress import Progress
from musubi.demo.closing import Closing
from musubi.demo.counts import Counts
from musubi.demo.crowd import Crowd, unknown_crowd
from musubi.demo.desk import Desk
from musubi.demo.duplicates import Swallowed
from musubi.demo.errors import StoryError
from musubi.demo.http import Http
from musubi.demo.ledger import Contact, Ledger
from musubi.demo.line_side import LineSide
from musubi.demo.marketing import Marketing
from musubi.demo.quiet import Quiet
from musubi.demo.replicas import Replicas, find_replicas
from musubi.demo.report import Report
from musubi.demo.stack_file import StackFile
from musubi.demo.staff import Staff
from shared.channels import Channel
from shared.clock import utcnow
from shared.mongo import connect

MOST_ACCOUNTS = 2
NAMED = 2
"""People with a name and a story of their own, after the crowd."""
CALL_SECONDS = 60
"""How long a single call may take: hundreds of actions of the crowd are one."""


@dataclass(frozen=True)
class Options:
    """How the story is played."""

    seed: str = "musubi"
    friends: int = 1000
    kill: str | None = "binding"
    """Service of which a process is killed with kill -9 in the middle; None: none is killed and none joins."""

    @property
    def patience(self) -> float:
        """Seconds that a scene of the whole crowd may take."""
        return 60 + self.friends * 0.05


@dataclass
class Story:
    """What the scenes work with."""

    options: Options
    progress: Progress
    line: LineSide
    staff: Staff
    desk: Desk
    marketing: Marketing
    ledger: Ledger
    crowd: Crowd
    replicas: Replicas | None
    swallowed: Swallowed
    counts: Counts
    closing: Closing
    report: Report
    users: Sequence[str]
    webhooks_before: dict[str, int]

    @property
    def friend(self) -> Contact:
        """The named friend: the last of the people but one, at the account that has LIFF."""
        slug = next(slug for slug, channel in self.ledger.channels.items() if has_liff(channel))
        return slug, self.users[self.options.friends]

    @property
    def customer(self) -> Contact:
        """The customer with the broken machine: the last of the people, at the account that repairs."""
        return list(self.ledger.channels)[-1], self.users[self.options.friends + 1]

    async def webhooks(self) -> dict[str, int]:
        """Return what became of webhooks since the story began."""
        now = await self.line.webhooks()
        return {name: now[name] - before for name, before in self.webhooks_before.items() if isinstance(before, int)}


def has_liff(channel: Channel) -> bool:
    """Whether LINE can vouch for a visitor of the account's add-friend sources."""
    return channel.liff_id is not None and channel.login_channel_id is not None


@contextlib.asynccontextmanager
async def story_on(stack: StackFile, options: Options, progress: Progress) -> AsyncIterator[Story]:
    """Wire the story to a stack, wait until that is quiet, find people it does not know, and take the first numbers."""
    channels = {channel.slug: channel for channel in list(stack.channels)[:MOST_ACCOUNTS]}
    if not any(map(has_liff, channels.values())):
        raise StoryError("the story needs an account with LIFF: login_channel_id and liff_id in the channels file")
    async with contextlib.AsyncExitStack() as exits:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        session = await exits.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        mongo = connect(stack.facts["mongo"])
        exits.callback(mongo.close)
        line, key = LineSide(Http(session, stack.control)), stack.admin_key
        binding = Http(session, stack.api("binding"), key)
        staff, desk = Staff(binding), Desk(Http(session, stack.api("ticketing"), key))
        first_days = {slug: utcnow().astimezone(channel.zone).date() for slug, channel in channels.items()}
        counts = Counts(Http(session, stack.api("insights"), key), first_days)
        ledger = Ledger(channels)
        swallowed = Swallowed(session, stack)
        closing = Closing(ledger, line, staff, counts, Quiet(line, stack, mongo))
        replicas = find_replicas(stack.path, progress) if options.kill else None
        if replicas is not None:
            await replicas.prepare()
        await closing.begin(progress)
        name = await unknown_crowd(options.seed, channels, line, staff)
        story = Story(
            options=options,
            progress=progress,
            line=line,
            staff=staff,
            desk=desk,
            marketing=Marketing(binding, Http(session, stack.api("broadcast"), key)),
            ledger=ledger,
            crowd=Crowd(line, ledger, progress),
            replicas=replicas,
            swallowed=swallowed,
            counts=counts,
            closing=closing,
            report=Report(options.seed, name, options.friends),
            users=await line.people(name, options.friends + NAMED),
            webhooks_before=await line.webhooks(),
        )
        await swallowed.begin()
        await line.begin()
        async with swallowed.watching():
            yield story
