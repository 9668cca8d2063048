"""The end of the story: wait until all is quiet, compare, and look again while something is still missing."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from deploy.local.progress import Progress
from musubi.demo.counts import Counts
from musubi.demo.errors import StoryError
from musubi.demo.ledger import GREETING, SEND_APIS, Ledger
from musubi.demo.line_side import LineSide
from musubi.demo.oracle import Difference, Verdict, judge_accepts, judge_counts, judge_members
from musubi.demo.quiet import Quiet
from musubi.demo.staff import Staff

GRACE_SECONDS = 25.0
"""How long all must have been quiet before what is missing counts as lost: longer than any lease, relay or retry."""
BEFORE_SECONDS = 60.0
SETTLE_SECONDS = 90.0
POLL_SECONDS = 0.3
SECONDS_A_FRIEND = 0.05


class Closing:
    """Compares the ledger with everything that can be asked."""

    def __init__(self, ledger: Ledger, line: LineSide, staff: Staff, counts: Counts, quiet: Quiet) -> None:
        self._ledger = ledger
        self._line = line
        self._staff = staff
        self._counts = counts
        self._quiet = quiet
        self._before: dict[str, Counter[str]] = {}
        self._events_before = 0

    async def begin(self, progress: Progress) -> None:
        """Wait until what went before has come to its end, and remember what insights has counted of it."""
        until = time.monotonic() + BEFORE_SECONDS
        while (reason := await self._quiet.restless()) is not None:
            if time.monotonic() > until:
                raise StoryError(f"the stack is not quiet, so that a story could not be told from the rest: {reason}")
            progress.step(f"waiting for the stack to be quiet: {reason}")
            await asyncio.sleep(POLL_SECONDS)
        for slug in self._ledger.channels:
            self._before[slug] = (await self._counts.of(slug))[0]
        self._events_before = (await self._line.webhooks())["events"]

    async def counted(self, slug: str) -> dict[str, int]:
        """Return what insights has counted of an account since `begin`."""
        now = (await self._counts.of(slug))[0]
        now.subtract(self._before[slug])
        return {name: count for name, count in now.items() if count}

    async def settle(self, progress: Progress, friends: int) -> list[Difference]:
        """Wait for quiet, bounded, and return the differences that stay; none where everything happened once."""
        until = time.monotonic() + SETTLE_SECONDS + SECONDS_A_FRIEND * friends
        quiet_since: float | None = None
        while True:
            reason = await self._quiet.restless()
            now = time.monotonic()
            if reason is None:
                quiet_since = quiet_since or now
                differences = await self.differences()
                if not differences or now - quiet_since > GRACE_SECONDS:
                    return differences
                reason = f"quiet, but {len(differences)} effects are missing or too many"
            elif reason != Quiet.AGAIN:
                quiet_since = None
            if now > until:
                return [*await self.differences(), Difference("lost", f"no end: {reason}")]
            progress.step(f"waiting for quiet: {reason}; {self._greeted()}")
            await asyncio.sleep(POLL_SECONDS)

    def _greeted(self) -> str:
        wanted = sum(1 for answer in self._ledger.answers if answer.purpose == GREETING)
        sent = sum(1 for entry in self._line.accepts if entry["api"] in SEND_APIS)
        return f"{min(sent, wanted):,} of {wanted:,} greetings"

    async def differences(self) -> list[Difference]:
        """Compare the ledger with LINE, insights and binding; those that are many to ask come last."""
        await self._line.look()
        verdict = judge_accepts(self._ledger, self._line.accepts)
        found = verdict.differences
        if others := await self._others():
            text = f"{others} events on LINE's side were not the story's, insights' counts hold them too: play it alone"
            found.append(Difference("uncalled", text, others))
        else:
            for slug in self._ledger.channels:
                found += judge_counts(slug, self._wanted(slug, verdict), await self.counted(slug))
        if not found:
            found += judge_members(self._ledger, await self._staff.members(self._ledger.contacts))
        return found

    def _wanted(self, slug: str, verdict: Verdict) -> Counter[str]:
        """What insights must count: what happened, and what LINE accepted."""
        wanted = Counter(self._ledger.facts[slug])
        for (account, api, purpose), count in verdict.sent.items():
            if account == slug:
                wanted[f"out, {purpose} by {api}"] += count
        return wanted

    async def _others(self) -> int:
        """Return how many events somebody else has set off since `begin`."""
        happened = (await self._line.webhooks())["events"] - self._events_before
        return max(0, happened - len(self._ledger.events) - self._ledger.links)
