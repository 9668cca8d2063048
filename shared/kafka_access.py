"""What every Kafka client is made with: the servers, TLS, and the user that the environment names."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from shared.settings import KafkaAccess


def kafka_servers(kafka_url: str) -> dict[str, Any]:
    """Return where Kafka is and how it lets this process in, for any aiokafka client.

    The address travels through the code as one text; the rest is the process's environment, read for each client, so
    that a password's file may change while it runs.

    Raises:
        ValidationError: the environment is wrong; a service says so when it starts.
    """
    return {"bootstrap_servers": kafka_url.split(","), **security(KafkaAccess())}


def security(access: KafkaAccess) -> dict[str, Any]:
    """Return the security of a client in aiokafka's words; nothing where Kafka is plain."""
    protocol, found = access.kafka_security_protocol, dict[str, Any]()
    if protocol != "PLAINTEXT":
        found["security_protocol"] = protocol
    if protocol.endswith("SSL"):
        found["ssl_context"] = _trusting(access.kafka_ca_file)
    if protocol.startswith("SASL") and access.kafka_sasl_password_file is not None:
        found["sasl_mechanism"] = access.kafka_sasl_mechanism
        found["sasl_plain_username"] = access.kafka_sasl_username
        found["sasl_plain_password"] = access.kafka_sasl_password_file.read_text(encoding="utf-8").strip()
    return found


def _trusting(authority: Path | None) -> ssl.SSLContext:
    """Return a context that checks the server's certificate and name; by default against the system's authorities."""
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
