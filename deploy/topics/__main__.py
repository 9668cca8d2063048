"""`python -m deploy.topics`: make and align the topics. Settings: KAFKA_URL, TOPIC_REPLICATION (1)."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

from aiokafka.errors import KafkaError
from pydantic import Field

from deploy.topics.job import TopicMismatch, TopicRefused, apply_topics
from shared.broker import until_kafka
from shared.settings import KafkaAccess, KafkaServers, load_settings

WAIT_SECONDS = 120.0


class TopicJobSettings(KafkaAccess):
    """The environment of the topic job; production sets TOPIC_REPLICATION to 3."""

    kafka_url: KafkaServers
    topic_replication: Annotated[int, Field(ge=1, le=32767)] = 1


async def run(settings: TopicJobSettings) -> list[str]:
    """Wait for Kafka, two minutes at most, and apply the topics."""
    async with asyncio.timeout(WAIT_SECONDS):
        await until_kafka(settings.kafka_url, [])
    return await apply_topics(settings.kafka_url, settings.topic_replication)


def main() -> int:
    """Return the exit status: 0 done, 1 not possible."""
    settings = load_settings(TopicJobSettings, "topic job")
    try:
        changes = asyncio.run(run(settings))
    except (TopicMismatch, TopicRefused) as error:
        print(f"topic job: {error}", file=sys.stderr)
        return 1
    except (TimeoutError, KafkaError, OSError) as error:
        print(f"topic job: Kafka at {settings.kafka_url} does not answer ({type(error).__name__})", file=sys.stderr)
        return 1
    print("\n".join(changes) or "topics are as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
