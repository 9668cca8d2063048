"""The account's messages of this month, as LINE tells them (features F31, F70)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.line.account import Quota
from shared.line.client import LineClient


@dataclass(frozen=True, slots=True)
class QuotaLeft:
    """How many people can still be written to this month; LINE's figures lag a little behind.

    `known` is False where LINE did not answer; a known quota without `limit` has none.
    """

    known: bool
    limit: int | None = None
    used: int | None = None

    @property
    def left(self) -> int | None:
        """People left; None without limit, or where it is not known."""
        if self.limit is None or self.used is None:
            return None
        return max(0, self.limit - self.used)

    def lacks(self, recipients: int) -> int:
        """Return for how many of so many recipients nothing is left."""
        return 0 if self.left is None else max(0, recipients - self.left)


ReadQuota = Callable[[str], Awaitable[QuotaLeft]]
"""Reads the quota of an account by its slug."""


def quota_reader(line: LineClient) -> ReadQuota:
    """Return what asks LINE; a failure of LINE is an answer that says so."""

    async def read(channel: str) -> QuotaLeft:
        quota = await line.account.quota(channel)
        if not isinstance(quota, Quota):
            return QuotaLeft(known=False)
        if quota.limit is None:
            return QuotaLeft(known=True)
        used = await line.account.quota_consumption(channel)
        return QuotaLeft(known=True, limit=quota.limit, used=used) if isinstance(used, int) else QuotaLeft(known=False)

    return read
