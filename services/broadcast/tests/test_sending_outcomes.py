"""LINE's bad days in the middle of a campaign: each ends as design §6 and §7 say, with the accept log as the oracle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.broadcast.sending import senders as senders_module
from services.broadcast.sending.lead import Lead
from services.broadcast.sending.model import NewChunk
from services.broadcast.tests.sending_rig import CHANNEL, Campaign, Rig, rig_on
from shared.line.transport import Patience
from shared.mongo import Database
from shared.testing.waiting import eventually

pytestmark = pytest.mark.integration

ONE_TRY = Patience(attempts=1, within=0.5, attempt=0.5, connect=0.5)
SLOWLY = 30.0
"""Calls a second where a test acts in the middle of a campaign."""


@pytest.fixture
async def rig(database: Database, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_on(database, tmp_path) as rig:
        yield rig


async def until_accepted(rig: Rig, campaign: Campaign, count: int) -> None:
    async def reached() -> bool:
        return len(await rig.accepts(campaign)) >= count

    await eventually(reached, 10)


async def none_under_way(rig: Rig, campaign: Campaign) -> bool:
    return "sending" not in (await rig.tally(campaign)).chunks


async def failed(rig: Rig, campaign: Campaign) -> list[dict[str, object]]:
    await rig.relay()
    return [fact for fact in rig.broker.facts(campaign.id).values() if fact["type"] == "chunk_failed"]


@pytest.mark.parametrize("kind", ["429_rate", "429_concurrent", "500", "malformed_2xx", "accept_then_reset"])
async def test_what_passes_is_sent_again_and_once(rig: Rig, kind: str) -> None:
    campaign = await rig.campaign()
    await rig.fault(kind, count=4, delay_ms=600)
    async with rig.process():
        await rig.until(campaign)
    await rig.assert_sent_once(campaign)


async def test_what_was_accepted_without_an_answer_is_found_accepted(rig: Rig) -> None:
    campaign = await rig.campaign()
    await rig.fault("accept_then_timeout", count=3, delay_ms=800)
    async with rig.process(patience=ONE_TRY):
        await rig.until(campaign)
    await rig.assert_sent_once(campaign)


@pytest.mark.parametrize(("kind", "reason"), [("429_quota", "quota"), ("401", "unauthorised")])
async def test_a_spent_quota_and_a_revoked_token_pause_once_and_lose_nothing(rig: Rig, kind: str, reason: str) -> None:
    campaign, other = await rig.campaign(), await rig.campaign(chunks=2)
    async with rig.process(per_second=SLOWLY):
        await until_accepted(rig, campaign, 3)
        await rig.fault(kind)
        await rig.until(campaign, f"paused: {reason}")
        await rig.until(other, f"paused: {reason}")
        await eventually(lambda: none_under_way(rig, campaign), 5)
        assert set((await rig.tally(campaign)).chunks) == {"accepted", "pending"}
        assert (await rig.orders.of(campaign.id))["pauses"] == 1
        (hits,) = [fault["hits"] for fault in (await rig.control("GET", "/faults"))["items"]]
        assert hits <= 6
        await rig.control("DELETE", "/faults")
        for each in (campaign, other):
            await rig.orders.put(each.id)
            await rig.until(each)
    await rig.assert_sent_once(campaign)
    await rig.assert_sent_once(other)


async def test_a_chunk_that_may_have_been_accepted_keeps_its_bytes_while_the_quota_is_spent(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=1)
    await rig.fault("accept_then_timeout", count=1, delay_ms=800)
    await rig.fault("429_quota", count=2)
    async with rig.process():
        await rig.until(campaign, "paused: quota")
        assert (await rig.tally(campaign)).chunks == {"sending": 1}
        await rig.control("DELETE", "/faults")
        await rig.orders.put(campaign.id)
        await rig.until(campaign)
    await rig.assert_sent_once(campaign)


async def test_one_refused_chunk_does_not_stop_the_others(rig: Rig) -> None:
    campaign = await rig.campaign()
    await rig.fault("400", count=1)
    async with rig.process():
        await rig.until(campaign)
    tally = await rig.tally(campaign)
    assert tally.chunks == {"accepted": 11, "rejected": 1}
    assert tally.recipients == {"accepted": 33, "rejected": 3}
    (fact,) = await failed(rig, campaign)
    assert (fact["end"], fact["recipients"]) == ("rejected", 3)
    chunk = await rig.chunks.get(campaign.id, int(str(fact["chunk"])))
    assert chunk is not None
    assert chunk.problem is not None
    assert chunk.problem["status"] == 400


async def test_a_recipient_that_line_refuses_is_taken_out_of_the_chunk(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=2)
    stranger = f"{CHANNEL}:U{'f' * 32}"
    await rig.people.insert_one({"_id": stranger, "following": True})
    more = (await rig.control("POST", "/users", {"name": "last", "user_id": "U" + "f" * 31 + "e"}))["user_ids"]
    await rig.people.insert_many([{"_id": f"{CHANNEL}:{user}", "following": True} for user in more])
    await rig.chunks.add(NewChunk(campaign.id, CHANNEL, 2, [f"{CHANNEL}:{more[0]}", stranger]))
    async with rig.process():
        await rig.until(campaign)
    tally = await rig.tally(campaign)
    assert (tally.chunks, tally.skipped) == ({"accepted": 3}, {"invalid": 1})
    fate = await rig.chunks.find_recipient(campaign.id, stranger)
    assert fate is not None
    assert (fate.outcome, fate.reason) == ("skipped", "invalid")
    beside = await rig.chunks.find_recipient(campaign.id, f"{CHANNEL}:{more[0]}")
    assert beside is not None
    assert beside.outcome == "accepted"


async def test_too_many_refused_chunks_pause_the_campaign(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=20, each=1)
    await rig.fault("400")
    async with rig.process():
        await rig.until(campaign, "paused: errors")
    tally = await rig.tally(campaign)
    assert tally.chunks["pending"] > 0
    assert 5 <= tally.chunks["rejected"] < 12


async def test_what_nobody_knows_after_a_day_is_not_sent_again(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=3)
    await rig.fault("accept_then_timeout", delay_ms=800)
    async with rig.process(patience=ONE_TRY):
        await until_accepted(rig, campaign, 3)
        await rig.orders.put(campaign.id, "paused by staff")
    await rig.control("DELETE", "/faults")
    rig.clock.forward(hours=25)
    await rig.orders.put(campaign.id)
    async with rig.process():
        await rig.until(campaign)
    assert (await rig.tally(campaign)).chunks == {"unknown": 3}
    assert len(await rig.accepts(campaign)) == 3
    assert {fact["end"] for fact in await failed(rig, campaign)} == {"unknown"}


async def test_a_paused_campaign_stops_within_what_is_in_flight_and_goes_on(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=20)
    async with rig.process(per_second=SLOWLY):
        await until_accepted(rig, campaign, 3)
        await rig.orders.put(campaign.id, "paused by staff")
        before = len(await rig.accepts(campaign))
        await eventually(lambda: none_under_way(rig, campaign), 5)
        assert len(await rig.accepts(campaign)) <= before + 6
        await rig.orders.put(campaign.id)
        await rig.until(campaign)
    await rig.assert_sent_once(campaign)


async def test_a_cancelled_campaign_is_not_sent_on(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=20)
    async with rig.process(per_second=SLOWLY):
        await until_accepted(rig, campaign, 3)
        await rig.orders.put(campaign.id, "cancelled")
        await rig.chunks.withdraw(campaign.id)

        async def ended() -> bool:
            return (await rig.tally(campaign)).unended == 0

        await eventually(ended, 5)
    tally = await rig.tally(campaign)
    assert tally.chunks["cancelled"] >= 8
    assert len(await rig.accepts(campaign)) == tally.chunks["accepted"]
    assert set(tally.chunks) == {"accepted", "cancelled"}


async def test_a_dead_senders_chunks_of_a_cancelled_campaign_end_unknown(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=2)
    await rig.fault("accept_then_timeout", delay_ms=5000)
    async with rig.process(patience=ONE_TRY):
        await until_accepted(rig, campaign, 2)
        await rig.orders.put(campaign.id, "cancelled")
        await rig.chunks.withdraw(campaign.id)
    rig.clock.forward(minutes=1)
    async with rig.process():

        async def ended() -> bool:
            return (await rig.tally(campaign)).unended == 0

        await eventually(ended, 5)
    assert (await rig.tally(campaign)).chunks == {"unknown": 2}
    assert len(await rig.accepts(campaign)) == 2


async def test_who_is_no_friend_any_more_is_skipped_and_counted(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=3)
    gone, unknown, *_ = campaign.contacts
    await rig.people.update_one({"_id": gone}, {"$set": {"following": False}})
    await rig.people.update_one({"_id": unknown}, {"$set": {"following": None}})
    await rig.people.update_many({"_id": {"$in": campaign.contacts[3:6]}}, {"$set": {"following": False}})
    await rig.people.delete_one({"_id": campaign.contacts[6]})
    async with rig.process():
        await rig.until(campaign)
    accepts = await rig.accepts(campaign)
    assert sorted(user for entry in accepts for user in entry["to"]) == [campaign.users[2], *campaign.users[7:]]
    tally = await rig.tally(campaign)
    assert (tally.chunks, tally.recipients) == ({"accepted": 3}, {"accepted": 3})
    assert tally.skipped == {"blocked": 4, "never_followed": 1, "gone": 1}
    await rig.relay()
    facts = rig.broker.facts(campaign.id).values()
    told = {fact["chunk"]: fact for fact in facts if fact["type"] == "chunk_accepted"}
    assert (told[1]["recipients"], told[1]["skipped"]) == (0, {"blocked": 3})
    assert (told[0]["recipients"], told[0]["skipped"]) == (1, {"blocked": 1, "never_followed": 1})


async def test_notices_pass_before_campaigns(rig: Rig) -> None:
    campaign = await rig.campaign(chunks=20)
    async with rig.process(per_second=SLOWLY):
        await until_accepted(rig, campaign, 2)
        notice = await rig.campaign(chunks=1, state="made")
        await rig.database["orders"].update_one({"_id": notice.id}, {"$set": {"priority": 0, "state": "running"}})
        await rig.until(notice)
        assert await rig.state(campaign) == "running"
        await rig.until(campaign)
    await rig.assert_sent_once(campaign)


async def test_two_processes_share_a_channel_by_taking_turns(rig: Rig) -> None:
    campaigns = [await rig.campaign() for _ in range(2)]
    async with rig.process():
        async with rig.process():
            await rig.until(campaigns[0])
        await rig.until(campaigns[1])
    for campaign in campaigns:
        await rig.assert_sent_once(campaign)


async def test_two_that_both_believe_to_lead_send_nothing_twice(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the lease keeps is the pace; that nobody gets it twice does not hang on it."""

    class Believer(Lead):
        async def take(self) -> bool:
            self._until = self._clock() + 60
            return True

    monkeypatch.setattr(senders_module, "Lead", Believer)
    campaign = await rig.campaign(chunks=30, each=1)
    async with rig.process(), rig.process():
        await rig.until(campaign)
    await rig.assert_sent_once(campaign)


async def test_a_replica_takes_over_at_once_where_the_sender_ends_in_order(rig: Rig) -> None:
    campaign = await rig.campaign()
    async with rig.process(per_second=SLOWLY):
        await until_accepted(rig, campaign, 3)
    ended = rig.clock()
    async with rig.process(per_second=2000):
        await rig.until(campaign)
    assert rig.clock() - ended < timedelta(seconds=4)
    await rig.assert_sent_once(campaign)
