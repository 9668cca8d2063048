"""What campaign.events add to which numbers, and what they say of their campaigns.

series              dimension               amount
campaign_matched    campaign                people who matched the segment
campaign_frozen     campaign                recipients of the frozen audience
campaign_accepted   campaign                recipients of accepted chunks
campaign_failed     campaign:end            recipients of rejected chunks, and of unknown ones
campaign_skipped    campaign:reason         skipped when frozen and since
campaign_blocks     campaign                recipients who blocked the account within 24 h
"""

from __future__ import annotations

import msgspec

from services.insights.counters.facts import BareFact, Series, fact_reader
from services.insights.counters.model import CampaignNews, Tally
from services.insights.counters.naming import OTHER, Amount, bounded
from shared import topics

PREFIX = "campaign_"
MATCHED, FROZEN, ACCEPTED = "campaign_matched", "campaign_frozen", "campaign_accepted"
FAILED, SKIPPED, BLOCKS = "campaign_failed", "campaign_skipped", "campaign_blocks"

LONGEST_TITLE = 200
LONGEST_REASON = 40
MOST_REASONS = 30


class _Fact(BareFact, frozen=True, kw_only=True):
    """The counted fields; absent ones keep their defaults."""

    campaign: str
    state: str = ""
    reason: str | None = None
    name: str | None = None
    version: int = 0
    recipients: Amount = 0
    skipped: dict[str, Amount] = msgspec.field(default_factory=dict)
    end: str = ""


def _state_changed(_: _Fact) -> tuple[Tally, ...]:
    return ()


def _frozen(fact: _Fact) -> tuple[Tally, ...]:
    campaign = bounded(fact.campaign)
    matched = fact.recipients + sum(fact.skipped.values())
    return (Tally(MATCHED, campaign, matched), Tally(FROZEN, campaign, fact.recipients), *_skipped(fact))


def _chunk_accepted(fact: _Fact) -> tuple[Tally, ...]:
    return (Tally(ACCEPTED, bounded(fact.campaign), fact.recipients), *_skipped(fact))


def _chunk_failed(fact: _Fact) -> tuple[Tally, ...]:
    return (Tally(FAILED, f"{bounded(fact.campaign)}:{_plain(fact.end)}", fact.recipients), *_skipped(fact))


def _recipient_blocked(fact: _Fact) -> tuple[Tally, ...]:
    return (Tally(BLOCKS, bounded(fact.campaign)),)


def _skipped(fact: _Fact) -> tuple[Tally, ...]:
    reasons: dict[str, int] = {}
    for number, (reason, amount) in enumerate(sorted(fact.skipped.items())):
        kept = _plain(reason) if number < MOST_REASONS else OTHER
        reasons[kept] = reasons.get(kept, 0) + amount
    return tuple(Tally(SKIPPED, f"{bounded(fact.campaign)}:{reason}", n) for reason, n in reasons.items() if n)


def _plain(text: str) -> str:
    """Return a word as it stands behind a colon; anything else is another."""
    return text if text.isidentifier() and len(text) <= LONGEST_REASON else OTHER


_SERIES: Series[_Fact] = {
    "state_changed": _state_changed,
    "frozen": _frozen,
    "chunk_accepted": _chunk_accepted,
    "chunk_failed": _chunk_failed,
    "recipient_blocked": _recipient_blocked,
}


def _news(fact: _Fact) -> CampaignNews:
    campaign = bounded(fact.campaign)
    if fact.type != "state_changed":
        return CampaignNews(campaign, frozen=fact.type == "frozen")
    name = fact.name[:LONGEST_TITLE] if fact.name is not None else None
    reason = bounded(fact.reason) if fact.reason is not None else None
    return CampaignNews(campaign, fact.version, bounded(fact.state), reason, name)


read_campaign_event = fact_reader(topics.CAMPAIGN_EVENTS, _Fact, _SERIES, news=_news)
