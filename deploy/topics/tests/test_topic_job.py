"""The topic job on the real broker: topics are made, drift is repaired, partition counts are left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.topics.job import TopicMismatch, apply_topics, wanted_config
from shared.broker import kafka_problem
from shared.ids import ulid
from shared.testing.waiting import eventually
from shared.topics import BY_NAME, LINE_EVENTS, MEMBER_STATE, TOPICS, Topic


@pytest_asyncio.fixture
async def admin(kafka_url: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def topic() -> Topic:
    return Topic(f"test.topic-job.{ulid().lower()}", partitions=2)


async def config_of(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {entry[0]: entry[1] for entry in answers[0].resources[0][4]}


async def set_config(admin: AIOKafkaAdminClient, name: str, config: dict[str, str]) -> None:
    answers = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, config)])
    assert answers[0].resources[0][0] == 0
    await until_config(admin, name, config)


async def until_config(admin: AIOKafkaAdminClient, name: str, config: dict[str, str]) -> None:
    """Return when the broker shows a configuration: it learns what its controller has accepted a moment later."""

    async def shown() -> bool:
        return (await config_of(admin, name)).items() >= config.items()

    await eventually(shown)


async def until_there(kafka_url: str, name: str) -> None:
    """Return when the broker shows a topic."""

    async def shown() -> bool:
        return await kafka_problem(kafka_url, [name]) is None

    await eventually(shown)


@pytest.mark.integration
async def test_every_topic_of_the_table_is_there(kafka_url: str) -> None:
    for topic in TOPICS:
        await until_there(kafka_url, topic.name)


@pytest.mark.integration
async def test_a_second_run_changes_nothing(kafka_url: str) -> None:
    assert await apply_topics(kafka_url) == []


@pytest.mark.integration
async def test_a_missing_topic_is_made_with_its_partitions_and_config(
    kafka_url: str, admin: AIOKafkaAdminClient, topic: Topic
) -> None:
    assert await apply_topics(kafka_url, topics=[topic]) == [f"made {topic.name}"]

    await until_there(kafka_url, topic.name)
    described = await admin.describe_topics([topic.name])
    assert len(described[0]["partitions"]) == 2
    assert (await config_of(admin, topic.name)).items() >= topic.config.items()


@pytest.mark.integration
async def test_configuration_that_drifted_is_set_back_and_said(
    kafka_url: str, admin: AIOKafkaAdminClient, topic: Topic
) -> None:
    await apply_topics(kafka_url, topics=[topic])
    await until_there(kafka_url, topic.name)
    await set_config(admin, topic.name, topic.config | {"retention.ms": "60000", "segment.ms": "120000"})

    changes = await apply_topics(kafka_url, topics=[topic])

    assert changes == [f"aligned {topic.name}: retention.ms 60000 → 2592000000, segment.ms 120000 → unset"]
    await until_config(admin, topic.name, topic.config)
    assert (await config_of(admin, topic.name))["segment.ms"] != "120000"


@pytest.mark.integration
async def test_another_partition_count_is_an_error_and_nothing_is_changed(
    kafka_url: str, admin: AIOKafkaAdminClient, topic: Topic
) -> None:
    await admin.create_topics([NewTopic(topic.name, 3, 1)])
    await until_there(kafka_url, topic.name)
    absent = Topic(f"{topic.name}.absent", partitions=1)

    with pytest.raises(TopicMismatch, match="has 3 partitions, not 2"):
        await apply_topics(kafka_url, topics=[topic, absent])

    assert await kafka_problem(kafka_url, [absent.name]) is not None


def test_with_three_replicas_a_write_must_be_on_two() -> None:
    assert wanted_config(BY_NAME[LINE_EVENTS], 3)["min.insync.replicas"] == "2"
    assert "min.insync.replicas" not in wanted_config(BY_NAME[LINE_EVENTS], 1)


def test_snapshots_are_compacted_and_kept_for_ever() -> None:
    config = wanted_config(BY_NAME[MEMBER_STATE], 1)
    assert (config["cleanup.policy"], config["retention.ms"]) == ("compact", "-1")
