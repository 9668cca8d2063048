"""The story, in its order: reads top to bottom."""

from __future__ import annotations

import time
from pathlib import Path

from deploy.local.progress import Progress
from musubi.demo import scenes
from musubi.demo.campaign import a_campaign_to_bound_friends
from musubi.demo.cast import in_two, write_parts
from musubi.demo.report import AccountReport, Report
from musubi.demo.setting import Options, Story, story_on
from musubi.demo.stack_file import StackFile


async def play(options: Options, stack_file: Path, progress: Progress) -> Report:
    """Play the story on a running stack; leaves the stack as it was, with the story's people in it.

    Raises:
        StoryError: it cannot be played to its end.
        StackError: the stack is not up, or a process cannot be started.
    """
    began = time.monotonic()
    async with story_on(StackFile(stack_file), options, progress) as story:
        first, second = in_two(write_parts(options.seed, options.friends, list(story.ledger.channels)))
        async with scenes.every_tenth_webhook_twice(story.line):
            await scenes.friends_come(story, first)
            async with scenes.a_process_joins(story) as joined:
                await scenes.a_friend_becomes_a_member(story)
                await scenes.a_customer_has_a_machine_repaired(story)
                await scenes.staff_bind_some(story, first)
                await joined()
                await scenes.more_come_and_one_is_killed(story, first, second)
                await scenes.some_block_and_come_back(story, first, second)
            await a_campaign_to_bound_friends(story)
            await close(story)
    story.report.seconds = round(time.monotonic() - began, 1)
    return story.report


async def close(story: Story) -> None:
    """Wait until all is quiet, compare, and write the report."""
    report, closing = story.report, story.closing
    report.differences = await closing.settle(story.progress, story.options.friends)
    await story.swallowed.look()
    report.swallowed = story.swallowed.by_service()
    report.webhooks = await story.webhooks()
    report.effects = story.ledger.effects
    report.campaign_progress = await story.marketing.progress(report.campaign)
    report.campaign_progress["clicks"] = story.ledger.campaign_clicks
    for slug, channel in story.ledger.channels.items():
        levels = (await story.counts.of(slug))[1]
        counted = await closing.counted(slug)
        report.accounts.append(AccountReport(slug, channel.name, story.ledger.friends(slug), counted, levels))
