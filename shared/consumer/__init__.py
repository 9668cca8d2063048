"""The consumer of design §5: keyed or by partition batch, claims, guards, dead letters, breaker, drain."""

from shared.consumer.consumer import Consumer, ConsumerOptions
from shared.consumer.records import BadRecord, Coordinates, Record, WorldDown

__all__ = ["BadRecord", "Consumer", "ConsumerOptions", "Coordinates", "Record", "WorldDown"]
