"""`/v1/dlq`, which every service that consumes serves; for keys of all accounts, whose letters they hold."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from shared.api import Limit, Moment, decode_cursor, encode_cursor
from shared.auth import AdminKeys, Principal, allowed
from shared.dlq.desk import DeadLetterDesk
from shared.dlq.letters import LetterBody, LetterCounts, LetterFilter, LetterPage, State

MOST = 1000
"""Letters that one call deals with, at most: it answers within half a minute."""

STATES: dict[str, frozenset[State]] = {
    "open": frozenset({"open"}),
    "replayed": frozenset({"replayed"}),
    "dropped": frozenset({"dropped"}),
    "all": frozenset({"open", "replayed", "dropped"}),
}

Why = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", description="why; no personal data")]


class Sweep(BaseModel):
    """Which open letters to replay: all that match, the oldest `most` of them. Only counted unless `dry_run` is off."""

    model_config = ConfigDict(extra="forbid")

    topic: str | None = None
    error: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    most: Annotated[int, Field(ge=1, le=MOST)] = MOST
    dry_run: StrictBool = True

    def filter(self) -> LetterFilter:
        """Return which letters are meant."""
        return LetterFilter(self.topic, self.error, self.since, self.until, STATES["open"])


class DropSweep(Sweep):
    """Which open letters to drop."""

    why: Why


class Reason(BaseModel):
    """Why a letter is dropped."""

    model_config = ConfigDict(extra="forbid")

    why: Why


class SweepDone(BaseModel):
    """How many open letters matched, how many of them were dealt with now (0 where only counted)."""

    matched: int
    done: int
    dry_run: bool


def dead_letter_routes(desk: DeadLetterDesk, keys: AdminKeys) -> APIRouter:
    """Return the routes of `/v1/dlq`."""
    router = APIRouter(prefix="/v1/dlq", tags=["dead letters"])
    reader = Annotated[Principal, Depends(allowed(keys, "dead_letters.read", everywhere=True))]
    replayer = Annotated[Principal, Depends(allowed(keys, "dead_letters.replay", everywhere=True))]
    dropper = Annotated[Principal, Depends(allowed(keys, "dead_letters.drop", everywhere=True))]

    @router.get("")
    async def list_letters(
        _: reader,
        topic: Annotated[str | None, Query(description="the topic the record came from")] = None,
        error: Annotated[str | None, Query(description="the class of the error")] = None,
        since: Annotated[Moment | None, Query(description="died at or after; RFC 3339, or a date in UTC")] = None,
        until: Annotated[Moment | None, Query(description="died before; RFC 3339, or a date in UTC")] = None,
        state: Annotated[
            Literal["open", "replayed", "dropped", "all"] | None, Query(description="all but dropped ones otherwise")
        ] = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> LetterPage:
        """List dead letters, newest first, without what they hold."""
        position = decode_cursor(cursor, 2)
        before = (float(position[0]), str(position[1])) if position else None
        states = STATES[state] if state else LetterFilter().states
        found = await desk.page(LetterFilter(topic, error, since, until, states), before=before, limit=limit + 1)
        items, more = found[:limit], len(found) > limit
        last = [items[-1].dead_since.timestamp(), items[-1].id] if more else None
        return LetterPage(items=items, next_cursor=encode_cursor(last) if last else None)

    @router.get("/counts")
    async def count_letters(_: reader) -> LetterCounts:
        """Count dead letters by what became of them."""
        return await desk.counts()

    @router.post("/replay")
    async def replay_letters(sweep: Sweep, principal: replayer) -> SweepDone:
        """Replay all open letters that match, each once, in the order in which records of one key came."""
        swept = await desk.replay_all(sweep.filter(), principal.id, most=sweep.most, dry_run=sweep.dry_run)
        return SweepDone(matched=swept.matched, done=swept.done, dry_run=sweep.dry_run)

    @router.post("/drop")
    async def drop_letters(sweep: DropSweep, principal: dropper) -> SweepDone:
        """Drop all open letters that match."""
        swept = await desk.drop_all(sweep.filter(), principal.id, sweep.why, most=sweep.most, dry_run=sweep.dry_run)
        return SweepDone(matched=swept.matched, done=swept.done, dry_run=sweep.dry_run)

    @router.get("/{letter_id}")
    async def show_letter(letter_id: str, _: reader) -> LetterBody:
        """Show a dead letter and what it holds."""
        return await desk.show(letter_id)

    @router.post("/{letter_id}/replay", status_code=202)
    async def replay_letter(letter_id: str, principal: replayer, force: bool = False) -> dict[str, str]:
        """Replay a dead letter; at most once, and not one that was dropped, unless forced."""
        await desk.replay(letter_id, principal.id, force=force)
        return {"id": letter_id, "status": "replayed"}

    @router.post("/{letter_id}/drop")
    async def drop_letter(letter_id: str, reason: Reason, principal: dropper) -> dict[str, str]:
        """Drop a dead letter: it needs no second chance. It stays in Kafka until its retention ends."""
        await desk.drop(letter_id, principal.id, reason.why)
        return {"id": letter_id, "status": "dropped"}

    @router.delete("/{letter_id}/drop")
    async def undrop_letter(letter_id: str, principal: dropper) -> dict[str, str]:
        """Take the dropping of a letter back."""
        await desk.take_back(letter_id, principal.id)
        return {"id": letter_id, "status": "open"}

    return router
