"""Dead letters of a service: list them, look at one, replay it after the fix, drop it (design §3, §5; features E9).

A letter is named `{partition}-{offset}` of `dlq.{service}`. Replaying copies it to `retry.{service}`, with the original
coordinates, so that its claim lets it pass; at most once unless forced, since a second copy may double the effect.
Dropping is a decision that is written down: the letter itself stays in Kafka until its retention ends.
"""

from shared.dlq.decisions import INDEXES
from shared.dlq.desk import DeadLetterDesk
from shared.dlq.routes import dead_letter_routes

__all__ = ["INDEXES", "DeadLetterDesk", "dead_letter_routes"]
