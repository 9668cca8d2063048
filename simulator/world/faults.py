"""LINE's bad days: rules that make API calls fail, and trouble on the way of webhooks."""

from __future__ import annotations

import itertools
import random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FaultKind = Literal[
    "429_rate",
    "429_quota",
    "429_concurrent",
    "429_same_user",
    "500",
    "503",
    "401",
    "400",
    "slow",
    "accept_then_timeout",
    "accept_then_reset",
    "cut_off",
    "malformed_2xx",
]


class FaultRule(BaseModel):
    """One switch. Without `count` and `probability` it hits every call of its API until it is cleared."""

    model_config = ConfigDict(extra="forbid")

    api: str = "*"
    """Name as in the accept log and README, such as push, reply, multicast, link_menu; `*` means every call."""
    channel: str | None = None
    kind: FaultKind
    count: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    delay_ms: Annotated[int, Field(ge=0, le=600_000)] | None = None
    seed: int | None = None


class Fault:
    """A rule in force."""

    def __init__(self, fault_id: int, rule: FaultRule) -> None:
        self.fault_id = fault_id
        self.rule = rule
        self.hits = 0
        self._random = random.Random(rule.seed)

    def hits_now(self, api: str, channel: str) -> bool:
        """Whether the rule hits this call; counts the hit."""
        rule = self.rule
        if rule.api not in ("*", api) or rule.channel not in (None, channel):
            return False
        if rule.count is not None and self.hits >= rule.count:
            return False
        if rule.probability is not None and self._random.random() >= rule.probability:
            return False
        self.hits += 1
        return True

    def shown(self) -> dict[str, object]:
        """Return the rule with its id and hits."""
        return {"id": self.fault_id, "hits": self.hits, **self.rule.model_dump(exclude_none=True)}


class WebhookTrouble(BaseModel):
    """What happens to webhooks on their way; zeros mean nothing does."""

    model_config = ConfigDict(extra="forbid")

    duplicate_every: Annotated[int, Field(ge=0)] = 0
    """Every nth delivery is sent twice, the same bytes (LINE: duplicates come also without redelivery)."""
    shuffle_window: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Deliveries are held until that many wait, then leave in random order (or after 200 ms of silence)."""
    delay_ms: Annotated[int, Field(ge=0, le=600_000)] = 0
    seed: int = 1


class Faults:
    """The rules in force, in the order they were made: the first that hits decides."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.rules: list[Fault] = []
        self.webhooks = WebhookTrouble()

    def add(self, rule: FaultRule) -> Fault:
        """Put a rule in force."""
        fault = Fault(next(self._ids), rule)
        self.rules.append(fault)
        return fault

    def hit(self, api: str, channel: str) -> FaultRule | None:
        """Return the rule that hits this call, if any."""
        if not self.rules:
            return None
        return next((fault.rule for fault in self.rules if fault.hits_now(api, channel)), None)

    def remove(self, fault_id: int) -> bool:
        """Take one rule away; False if there is none with that id."""
        kept = [fault for fault in self.rules if fault.fault_id != fault_id]
        found = len(kept) != len(self.rules)
        self.rules = kept
        return found

    def clear(self) -> None:
        """Take every rule and webhook trouble away."""
        self.rules = []
        self.webhooks = WebhookTrouble()
