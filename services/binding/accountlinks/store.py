"""Nonces: issued, claimed once by the event that brings them back, gone after a day."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.binding.accountlinks.model import LinkOutcome, Nonce
from shared.mongo import ASCENDING, Database, Index, ReturnDocument

COLLECTION = "nonces"
INDEXES = (Index(COLLECTION, [("expires_at", ASCENDING)], expire_seconds=86_400),)


class NonceStore(Protocol):
    """Keeps nonces."""

    async def add(self, nonce: Nonce) -> None:
        """Keep an issued nonce."""

    async def claim(self, value: str, channel: str, claimant: str, at: datetime) -> LinkOutcome:
        """Use a nonce up, once: the same claimant gets the same outcome again, another one none."""

    async def fail(self, value: str) -> None:
        """Note that LINE reported the link as failed: the nonce can no longer be used."""


class MongoNonces:
    """Nonces in MongoDB."""

    def __init__(self, database: Database) -> None:
        self._nonces = database[COLLECTION]

    async def add(self, nonce: Nonce) -> None:
        """Keep an issued nonce."""
        await self._nonces.insert_one(
            {
                "_id": nonce.value,
                "channel": nonce.channel,
                "customer_key": nonce.customer_key,
                "expires_at": nonce.expires_at,
                "claimant": None,
                "failed": False,
            }
        )

    async def claim(self, value: str, channel: str, claimant: str, at: datetime) -> LinkOutcome:
        """Use a nonce up by compare-and-set; see `NonceStore.claim`."""
        free = {"_id": value, "channel": channel, "failed": False, "claimant": {"$in": [None, claimant]}}
        document = await self._nonces.find_one_and_update(
            free, {"$set": {"claimant": claimant}}, return_document=ReturnDocument.AFTER
        )
        if document is not None:
            if at > document["expires_at"]:
                return LinkOutcome(None, "expired")
            return LinkOutcome(document["customer_key"])
        known = await self._nonces.find_one({"_id": value, "channel": channel})
        if known is None:
            return LinkOutcome(None, "unknown_nonce")
        return LinkOutcome(None, "failed" if known["failed"] else "used")

    async def fail(self, value: str) -> None:
        """Note that LINE reported the link as failed."""
        await self._nonces.update_one({"_id": value, "claimant": None}, {"$set": {"failed": True}})
