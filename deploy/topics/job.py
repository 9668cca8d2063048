"""The topic job: makes the topics of `shared/topics.py` and aligns their configuration (design §3).

It never changes a partition count: keys would move, and their order with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.kafka_access import kafka_servers
from shared.topics import TOPICS, Topic

REQUEST_MS = 15_000
SET_ON_TOPIC = 1
"""Source of a config value in Kafka's DescribeConfigs: set on the topic itself, not inherited (KIP-226)."""


class TopicMismatch(Exception):
    """A topic's partition count is another than `shared/topics.py` says; its text names each of them."""


class TopicRefused(Exception):
    """The broker refused to make or change a topic; its text says which, and why."""


def wanted_config(topic: Topic, replication: int) -> dict[str, str]:
    """Return the whole configuration of a topic, with the durability the promise rests on (design §11).

    With three replicas or more a write must be on two of them; with fewer the broker's own default holds.
    """
    durable = {"min.insync.replicas": "2"} if replication >= 3 else {}
    return topic.config | durable


async def apply_topics(kafka_url: str, replication: int = 1, topics: Sequence[Topic] = TOPICS) -> list[str]:
    """Make missing topics, align the configuration of the others, and return a line for each change made.

    Args:
        kafka_url: host:port, several with commas between.
        replication: copies of each partition of a topic that is made now; that of existing topics stays.
        topics: which ones; all of Musubi's by default.

    Raises:
        TopicMismatch: a partition count differs; nothing is changed then.
        TopicRefused: the broker refused a change.
        KafkaError: the broker cannot be reached.
    """
    admin = AIOKafkaAdminClient(**kafka_servers(kafka_url), request_timeout_ms=REQUEST_MS)
    try:
        await admin.start()
        shapes = await _shapes(admin)
        _refuse_other_counts(topics, shapes)
        missing = [topic for topic in topics if topic.name not in shapes]
        made = await _make(admin, missing, replication) if missing else []
        # What an existing topic needs follows from the copies it has: two in sync of one copy would stop every write.
        present = {
            topic.name: wanted_config(topic, shapes[topic.name].replication) for topic in topics if topic.name in shapes
        }
        return made + (await _align(admin, present) if present else [])
    finally:
        await admin.close()


class _Shape(NamedTuple):
    partitions: int
    replication: int


async def _shapes(admin: AIOKafkaAdminClient) -> dict[str, _Shape]:
    return {
        topic["topic"]: _Shape(len(topic["partitions"]), min(len(part["replicas"]) for part in topic["partitions"]))
        for topic in await admin.describe_topics()
        if topic["partitions"]
    }


def _refuse_other_counts(topics: Sequence[Topic], shapes: Mapping[str, _Shape]) -> None:
    wrong = [
        f"{topic.name} has {shapes[topic.name].partitions} partitions, not {topic.partitions}"
        for topic in topics
        if topic.name in shapes and shapes[topic.name].partitions != topic.partitions
    ]
    if wrong:
        raise TopicMismatch(f"{'; '.join(wrong)}. Partition counts are never changed: see docs/operating.md")


async def _make(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replication: int) -> list[str]:
    new = [
        NewTopic(topic.name, topic.partitions, replication, topic_configs=wanted_config(topic, replication))
        for topic in topics
    ]
    answer = await admin.create_topics(new)
    made = []
    for name, code, text, *_ in answer.topic_errors:
        # Another run of the job may have been faster.
        if code not in (0, TopicAlreadyExistsError.errno):
            raise TopicRefused(f"{name} could not be made: {_why(code, text)}")
        if code == 0:
            made.append(f"made {name}")
    return made


async def _align(admin: AIOKafkaAdminClient, wanted: Mapping[str, dict[str, str]]) -> list[str]:
    """Set what differs. Kafka's AlterConfigs replaces a topic's whole configuration, so what is extra goes too."""
    found = await _configs(admin, list(wanted))
    changes = {name: config for name, config in wanted.items() if found[name] != config}
    if not changes:
        return []
    await _set_configs(admin, changes)
    return [f"aligned {name}: {_difference(found[name], config)}" for name, config in changes.items()]


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return, for each topic, the configuration set on it."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        name: {entry[0]: entry[1] for entry in entries if entry[3] == SET_ON_TOPIC}
        for answer in answers
        for _, _, _, name, entries in answer.resources
    }


async def _set_configs(admin: AIOKafkaAdminClient, changes: Mapping[str, Mapping[str, str]]) -> None:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict(config)) for name, config in changes.items()]
    answers: list[Any] = await admin.alter_configs(resources)
    for answer in answers:
        for code, text, _, name in answer.resources:
            if code != 0:
                raise TopicRefused(f"{name} could not be changed: {_why(code, text)}")


def _difference(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    names = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    return ", ".join(f"{name} {found.get(name, 'unset')} → {wanted.get(name, 'unset')}" for name in names)


def _why(code: int, text: str | None) -> str:
    return text or for_code(code).__name__
