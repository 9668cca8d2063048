"""Five bugs of the kinds that lose or double things, put into the running code from outside, to see them found."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from unittest.mock import patch

from aiokafka import TopicPartition

import shared.consumer.claims
import shared.line.prepared
from shared.clock import utcnow
from shared.consumer import Consumer, Record
from shared.consumer.progress import Progress
from shared.mongo import Document
from tests.simulation.run import Stage
from tests.simulation.service import Contacts, Service

Plant = Callable[[Stage], contextlib.AbstractContextManager[object]]


def commit_before_effect(_: Stage) -> contextlib.AbstractContextManager[object]:
    """What was taken counts as finished."""
    return patch.object(Progress, "to_commit", property(lambda self: self._last + 1 if self._last >= 0 else None))


def marker_before_effect(_: Stage) -> contextlib.AbstractContextManager[object]:
    """Whoever has claimed an event is taken to have done it too."""
    return patch.object(shared.consumer.claims, "_same", lambda claim, record: False)


@contextlib.contextmanager
def commit_after_revoke(_: Stage) -> Iterator[None]:
    """Partitions are not given up on revoke: what they once finished is committed whenever they come back."""
    kept: dict[int, dict[TopicPartition, object]] = {}
    assigned = Consumer.on_partitions_assigned

    async def on_partitions_revoked(self: Consumer, revoked: Iterable[TopicPartition]) -> None:
        kept.setdefault(id(self), {}).update(self._partitions)

    async def on_partitions_assigned(self: Consumer, given: Iterable[TopicPartition]) -> None:
        places = list(given)
        await assigned(self, places)
        for tp, partition in kept.get(id(self), {}).items():
            if tp in places:
                self._partitions[tp] = partition  # type: ignore[assignment]

    with (
        patch.object(Consumer, "on_partitions_revoked", on_partitions_revoked),
        patch.object(Consumer, "on_partitions_assigned", on_partitions_assigned),
    ):
        yield


def retry_with_a_new_key(stage: Stage) -> contextlib.AbstractContextManager[object]:
    """Each attempt of a push has a retry key of its own."""
    return patch.object(
        shared.line.prepared, "retry_key", lambda _: str(uuid.UUID(int=stage.world.rng.getrandbits(128)))
    )


class CheckThenInsert(Contacts):
    """Looks whether an effect is there, then writes it."""

    async def apply(self, record: Record, event_id: str, items: Sequence[Document]) -> bool:
        """Write a record's effect; False where it was there a moment ago."""
        key = (record.key or b"").decode()
        document = await self.collection.find_one({"_id": key})
        if document is not None and event_id in document["effects"]:
            return False
        change = {
            "$push": {"effects": event_id, "pending": {"$each": list(items)}},
            "$set": {"pending_since": utcnow()},
        }
        await self.collection.update_one({"_id": key}, change, upsert=True)
        return True


def check_then_insert(_: Stage) -> contextlib.AbstractContextManager[object]:
    """The effect's write does not carry its guard."""
    return patch.object(Service, "make_contacts", CheckThenInsert)


PLANTS: dict[str, Plant] = {
    "commit before effect": commit_before_effect,
    "marker before effect": marker_before_effect,
    "commit after revoke": commit_after_revoke,
    "retry with a new key": retry_with_a_new_key,
    "check, then insert": check_then_insert,
}
