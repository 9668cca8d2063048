"""Writing a record that cannot be processed to `dlq.{service}`, untouched, with why and where from (design §3)."""

from __future__ import annotations

from datetime import datetime

from shared.clock import rfc3339, utcnow
from shared.consumer.records import ORIGIN_OFFSET, ORIGIN_PARTITION, ORIGIN_TOPIC, BadRecord, Record
from shared.logs import redact
from shared.producer import Producer
from shared.producer import Record as Outgoing
from shared.topics import dlq_topic

HANDLER = "handler"
ERROR_CLASS = "error-class"
ERROR_TEXT = "error-text"
ATTEMPTS = "attempts"
FIRST_FAILED_AT = "first-failed-at"
LAST_FAILED_AT = "last-failed-at"
OWN_HEADERS = frozenset({HANDLER, ERROR_CLASS, ERROR_TEXT, ATTEMPTS, FIRST_FAILED_AT, LAST_FAILED_AT}) | {
    ORIGIN_TOPIC,
    ORIGIN_PARTITION,
    ORIGIN_OFFSET,
}

_TEXT_LIMIT = 300
_SEND_SECONDS = 10.0


def describe(error: Exception) -> str:
    """Say what went wrong without quoting the record: only our own errors' texts are known to hold no data."""
    if isinstance(error, BadRecord):
        return redact(str(error))[:_TEXT_LIMIT]
    return f"unexpected {error.__class__.__name__}; the service's log has the trace"


class DeadLetters:
    """Writes dead letters of one service."""

    def __init__(self, service: str, sender: Producer) -> None:
        self._topic = dlq_topic(service)
        self._sender = sender

    async def put(self, record: Record, error: Exception, handler: str, attempts: int, first: datetime) -> None:
        """Write a record to the dead letters and return when the broker has it.

        Raises:
            BrokerUnavailable: it is not known to be written; the record must not be finished.
        """
        kept = tuple((name, value) for name, value in record.headers if name not in OWN_HEADERS)
        about = {
            ORIGIN_TOPIC: record.origin.topic,
            ORIGIN_PARTITION: str(record.origin.partition),
            ORIGIN_OFFSET: str(record.origin.offset),
            HANDLER: handler,
            ERROR_CLASS: error.__class__.__name__,
            ERROR_TEXT: describe(error),
            ATTEMPTS: str(attempts),
            FIRST_FAILED_AT: rfc3339(first),
            LAST_FAILED_AT: rfc3339(utcnow()),
        }
        headers = kept + tuple((name, value.encode()) for name, value in about.items())
        letter = Outgoing(self._topic, record.key, record.value, headers)
        await self._sender.send_all([letter], timeout=_SEND_SECONDS)
