"""The servers in containers, for tests with STACK=docker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local import probes
from deploy.local.images import KAFKA_IMAGE, MONGO_IMAGE
from deploy.local.kafka import MAX_MESSAGE_BYTES
from deploy.local.ports import LOOPBACK, free_port

START_SECONDS = 120.0


@contextmanager
def kafka() -> Iterator[str]:
    """Run Kafka in a container and give its host:port."""
    from testcontainers.core.container import DockerContainer

    # Clients are told the advertised address, so the port outside must be known before the start.
    port = free_port()
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_MESSAGE_MAX_BYTES": str(MAX_MESSAGE_BYTES),
    }
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
    for name, value in settings.items():
        container = container.with_env(name, value)
    with container:
        url = f"{LOOPBACK}:{port}"
        probes.wait_for(lambda: probes.kafka_accepts(url), START_SECONDS, KAFKA_IMAGE)
        yield url


@contextmanager
def mongo() -> Iterator[str]:
    """Run MongoDB in a container and give its URL."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    with DockerContainer(MONGO_IMAGE).with_bind_ports(27017, port):
        url = f"mongodb://{LOOPBACK}:{port}"
        probes.wait_for(lambda: probes.mongo_accepts(url), START_SECONDS, MONGO_IMAGE)
        yield url
