"""The crowd: people nobody knows yet, and what they do, wave by wave, each written into the ledger."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence

from deploy.local.progress import Progress
from musubi.demo.errors import StoryError
from musubi.demo.ledger import Contact, Ledger
from musubi.demo.line_side import Action, LineSide
from musubi.demo.staff import Staff
from musubi.demo.waiting import until

EVENTS_A_WEBHOOK = 2
DELIVERY_SECONDS = 120.0
MOVING_SECONDS = 15.0


async def unknown_crowd(seed: str, slugs: Iterable[str], line: LineSide, staff: Staff) -> str:
    """Return the name of the seed's first crowd that neither LINE nor binding knows: `{seed}-{play}`.

    The stand-in forgets everything when it is restarted, binding does not.
    """
    slugs = list(slugs)
    for play in itertools.count(1):
        first = (await line.people(f"{seed}-{play}", 1))[0]
        for slug in slugs:
            stranger = (await line.user(slug, first))["state"] == "stranger"
            if not stranger or await staff.member((slug, first)) is not None:
                break
        else:
            return f"{seed}-{play}"
    raise AssertionError("counting has no end")


class Crowd:
    """Lets many people act, and waits for what they set off."""

    def __init__(self, line: LineSide, ledger: Ledger, progress: Progress) -> None:
        self._line = line
        self._ledger = ledger
        self._progress = progress

    async def act(self, actions: Sequence[Action]) -> None:
        """Let people act at once; their webhooks are queued, not delivered, when this returns."""
        events = await self._line.crowd(actions, EVENTS_A_WEBHOOK)
        for (slug, action), event in zip(actions, events, strict=True):
            self._note((slug, action["user"]), action["do"], event["webhook_event_id"])

    def _note(self, contact: Contact, did: str, event_id: str) -> None:
        match did:
            case "follow":
                self._ledger.follow(contact, event_id)
            case "block":
                self._ledger.block(contact, event_id)
            case kind:
                self._ledger.message(contact, event_id, kind)

    async def delivered(self) -> None:
        """Wait until every webhook is delivered: only then is the order of what comes next sure.

        Raises:
            StoryError: some still wait after two minutes.
        """
        deadline = time.monotonic() + DELIVERY_SECONDS
        while pending := (await self._line.webhooks(wait=1))["pending"]:
            if time.monotonic() > deadline:
                raise StoryError(f"{pending} webhooks are not delivered after {DELIVERY_SECONDS:.0f} s; is ingest up?")
            self._progress.step(f"LINE delivers webhooks: {pending} to go")

    async def until_moving(self, service: str) -> None:
        """Wait until a service is seen at work on what people do: the time to kill one of its processes."""
        before = await self._mark(service)

        async def moved() -> bool:
            return await self._mark(service) != before

        await until(moved, MOVING_SECONDS, every=0.02)

    async def _mark(self, service: str) -> int:
        """Return a number that moves as the service works: webhooks answered by ingest, calls that LINE accepted."""
        return (await self._line.webhooks())["ok"] if service == "ingest" else await self._line.look()
