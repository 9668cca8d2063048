"""Every Kafka topic: names, partitions, retention, cleanup (design §3). No topic name exists anywhere else."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 86_400_000

LINE_EVENTS = "line.events"
WEB_EVENTS = "web.events"
COMMERCE_EVENTS = "commerce.events"
MEMBER_STATE = "member.state"
MEMBER_EVENTS = "member.events"
LINE_SENT = "line.sent"
CAMPAIGN_EVENTS = "campaign.events"
TICKET_EVENTS = "ticket.events"
ERASURES = "erasures"

CONSUMING_SERVICES = ("binding", "broadcast", "insights", "ticketing")


@dataclass(frozen=True)
class Topic:
    """A topic as the topic job makes it. `retention_ms` is None where compaction keeps the newest for ever."""

    name: str
    partitions: int = 12
    retention_ms: int | None = 30 * DAY_MS
    key: str = "contact"
    holds: str = ""

    @property
    def config(self) -> dict[str, str]:
        """The broker's configuration of this topic."""
        config = {"max.message.bytes": str(2 * 1024 * 1024)}
        if self.retention_ms is None:
            return config | {"cleanup.policy": "compact", "retention.ms": "-1"}
        return config | {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


def dlq_topic(service: str) -> str:
    """Return the dead-letter topic of a service."""
    return f"dlq.{service}"


def retry_topic(service: str) -> str:
    """Return the topic through which a service takes its replayed dead letters."""
    return f"retry.{service}"


TOPICS: tuple[Topic, ...] = (
    Topic(LINE_EVENTS, holds="LINE's webhook events, one a record, the event's JSON untouched in an envelope"),
    Topic(WEB_EVENTS, key="contact, member or visitor id", holds="clicks, page views, source hits"),
    Topic(COMMERCE_EVENTS, key="customer key", holds="orders, refunds, shipments, donations, shop bindings"),
    Topic(MEMBER_STATE, retention_ms=None, key="member id", holds="whole member snapshots; a tombstone is an erasure"),
    Topic(MEMBER_EVENTS, key="member id", holds="facts about members: followed, bound, …"),
    Topic(LINE_SENT, key="contact, or campaign id", holds="every message that LINE accepted"),
    Topic(CAMPAIGN_EVENTS, key="campaign id", holds="state changes and chunks of campaigns"),
    Topic(TICKET_EVENTS, holds="conversations and tickets"),
    Topic(ERASURES, partitions=1, retention_ms=None, key="keyed hash", holds="who was erased, and when"),
    *(Topic(dlq_topic(name), 3, key="as the source", holds="dead letters") for name in CONSUMING_SERVICES),
    *(Topic(retry_topic(name), 3, key="as the source", holds="replayed dead letters") for name in CONSUMING_SERVICES),
)

BY_NAME = {topic.name: topic for topic in TOPICS}
