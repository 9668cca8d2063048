"""What staff do with campaigns, apart from how it is asked over HTTP: make, edit, start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from services.broadcast.campaigns.audiences import CampaignAudiences
from services.broadcast.campaigns.bodies import CampaignBody, CampaignEdit, StartBody
from services.broadcast.campaigns.contents import Contents
from services.broadcast.campaigns.life import CampaignLife, told
from services.broadcast.campaigns.model import (
    EDITABLE,
    STARTABLE,
    Audience,
    Campaign,
    NotAllowed,
    Schedule,
    State,
    default_unit,
    move,
)
from services.broadcast.campaigns.quota import QuotaLeft, ReadQuota
from services.broadcast.campaigns.store import UnitTaken
from services.broadcast.segments.model import whole_millis
from shared.channels import Channels
from shared.mongo import Document
from shared.preconditions import check_version
from shared.problems import Problem

PAST = timedelta(minutes=1)
"""A start so little in the past was meant as now."""


@dataclass(frozen=True)
class Starting:
    """A start that was asked for: under which request, by whom, and what was found out before it is written."""

    request: str
    by: str
    body: StartBody
    schedule: Schedule | None
    audience: Audience
    content: Sequence[Mapping[str, Any]]
    version: int


@dataclass(frozen=True)
class CampaignDesk:
    """Makes, edits and starts campaigns."""

    life: CampaignLife
    audiences: CampaignAudiences
    contents: Contents
    channels: Channels
    read_quota: ReadQuota

    async def create(self, campaign_id: str, body: CampaignBody, request: str, by: str) -> Campaign:
        """Make a draft, or return the one that this id has.

        Raises:
            Problem: 422, 409 where its unit is taken.
        """
        self.contents.check(body.messages)
        at = self.life.now()
        audience = Audience(body.segment, body.expression)
        await self.audiences.pin(body.channel, audience, at)
        campaign = Campaign(
            id=campaign_id,
            channel=body.channel,
            name=body.name,
            audience=audience,
            messages=body.messages,
            created_at=at,
            created_by=by,
            updated_at=at,
            unit=body.unit or default_unit(campaign_id),
            notification_disabled=body.notification_disabled,
            chunk_size=body.chunk_size,
            block_limit=body.block_limit.limit() if body.block_limit else None,
            links=self.contents.track(body.messages, body.channel, campaign_id).links,
            request=request,
        )
        try:
            return await self.life.create(campaign)
        except UnitTaken as error:
            raise _unit_taken(error) from None

    async def edit(self, campaign: Campaign, edit: CampaignEdit, expected: int) -> Campaign:
        """Change a campaign that has not been started; a planned one stays planned.

        Raises:
            Problem: 412 where it has changed, 409 where it has been started, 422.
        """
        given = edit.model_fields_set
        if edit.messages is not None:
            self.contents.check(edit.messages)
        messages = edit.messages if edit.messages is not None else campaign.messages
        tracked = self.contents.track(messages, campaign.channel, campaign.id)
        audience = campaign.audience
        if given & {"segment", "expression"}:
            audience = Audience(edit.segment, edit.expression)
            pinned = await self.audiences.pin(
                campaign.channel, audience, _start_of(campaign.schedule) or self.life.now()
            )
            audience = replace(audience, pinned=pinned)

        def decide(current: Campaign) -> Sequence[Document]:
            check_version(expected, current.version)
            if current.state not in EDITABLE:
                raise Problem("conflict", f"only drafts and planned campaigns can be edited; this is {current.state}")
            current.messages, current.links, current.audience = messages, tracked.links, audience
            if current.state == "scheduled":
                current.content = tracked.messages
            _apply_plain(current, edit)
            return []

        try:
            return _there(await self.life.change(campaign.id, decide))
        except UnitTaken as error:
            raise _unit_taken(error) from None

    async def start(self, campaign: Campaign, body: StartBody, request: str, by: str) -> Campaign:
        """Start a campaign now or plan its start; the same request again returns what it led to.

        Raises:
            Problem: 409 where it has been started or quota lacks, 412 where it changed meanwhile, 422.
        """
        if campaign.start_request == request:
            return campaign
        _refuse_started(campaign)
        schedule = self._schedule(campaign.channel, body)
        tracked = self.contents.track(campaign.messages, campaign.channel, campaign.id)
        audience = campaign.audience
        pinned = await self.audiences.pin(campaign.channel, audience, _start_of(schedule) or self.life.now())
        if body.over_quota == "hold":
            await self._refuse_lack(campaign.channel, pinned)
        audience = Audience(audience.segment, audience.expression, pinned)
        starting = Starting(request, by, body, schedule, audience, tracked.messages, campaign.version)
        try:
            return _there(await self.life.change(campaign.id, lambda current: self._started(current, starting)))
        except NotAllowed as error:
            raise Problem("conflict", str(error)) from None

    def _started(self, current: Campaign, starting: Starting) -> Sequence[Document] | None:
        if current.start_request == starting.request:
            return None
        _refuse_started(current)
        check_version(starting.version, current.version)
        current.start_request = starting.request
        current.over_quota = starting.body.over_quota
        current.audience, current.content = starting.audience, starting.content
        current.schedule = starting.schedule
        state: State = "freezing" if starting.schedule is None else "scheduled"
        return [told(move(current, state, by=starting.by, at=self.life.now()))]

    def _schedule(self, channel: str, body: StartBody) -> Schedule | None:
        zone = body.zone or self.channels[channel].timezone
        if not _is_zone(zone):
            raise _invalid("/zone", "must be an IANA time zone, such as Asia/Taipei")
        if body.at is None:
            return None
        if body.at < self.life.now() - PAST:
            raise _invalid("/at", "is in the past; null starts at once")
        return Schedule(whole_millis(body.at.astimezone(UTC)), zone)

    async def _refuse_lack(self, channel: str, pinned: Mapping[str, Any]) -> None:
        quota: QuotaLeft = await self.read_quota(channel)
        if quota.left is None:
            return
        recipients = (await self.audiences.estimate(channel, pinned)).recipients
        if quota.lacks(recipients):
            raise Problem(
                "conflict",
                f"it would go to {recipients} people and {quota.left} are left of this month's {quota.limit}: "
                'narrow it, raise the plan, or start it with "over_quota": "send"',
            )


def _start_of(schedule: Schedule | None) -> datetime | None:
    return None if schedule is None else schedule.at


def _apply_plain(campaign: Campaign, edit: CampaignEdit) -> None:
    if edit.name is not None:
        campaign.name = edit.name
    if edit.unit is not None:
        campaign.unit = edit.unit
    if edit.notification_disabled is not None:
        campaign.notification_disabled = edit.notification_disabled
    if edit.chunk_size is not None:
        campaign.chunk_size = edit.chunk_size
    if "block_limit" in edit.model_fields_set:
        campaign.block_limit = edit.block_limit.limit() if edit.block_limit else None


def _refuse_started(campaign: Campaign) -> None:
    if campaign.state not in STARTABLE:
        raise Problem("conflict", f"this campaign has been started: it is {campaign.state}")


def _there(campaign: Campaign | None) -> Campaign:
    if campaign is None:
        raise Problem("not-found", "no such campaign")
    return campaign


def _unit_taken(error: UnitTaken) -> Problem:
    return Problem("conflict", f"another campaign of this account has the unit {error}")


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem("invalid", errors=[{"pointer": pointer, "detail": detail}])


def _is_zone(name: str) -> bool:
    return name in available_timezones()
