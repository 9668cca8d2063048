"""The hours and targets of an account as staff write them, and the desk they make."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.ticketing.clocks.model import Desk, Period, Priority, TargetName, Targets, WorkingTime
from shared.channels import Channel

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError("is no time of day such as 09:00 or 24:00")
    return value


def _minutes(clock: str) -> int:
    hour, _, minute = clock.partition(":")
    return int(hour) * 60 + int(minute)


ClockTime = Annotated[str, AfterValidator(_clock)]
Minutes = Annotated[int, Field(ge=1, le=366 * 24 * 60, description="working minutes")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OpenPeriod(_Body):
    """A stretch of a day by the account's clocks; one over midnight is two, the first ending at 24:00."""

    opens: ClockTime
    closes: ClockTime

    @model_validator(mode="after")
    def _in_order(self) -> OpenPeriod:
        if _minutes(self.opens) >= _minutes(self.closes):
            raise ValueError("closes before it opens: write what goes over midnight as two periods")
        return self

    @property
    def period(self) -> Period:
        """The same in minutes."""
        return Period(_minutes(self.opens), _minutes(self.closes))


class PriorityTargets(_Body):
    """Within how many working minutes tickets of a priority are to be answered, and closed."""

    first_response_minutes: Minutes | None = None
    resolution_minutes: Minutes | None = None

    @property
    def by_name(self) -> dict[TargetName, timedelta]:
        """The targets there are."""
        minutes: dict[TargetName, int | None] = {
            "first_response": self.first_response_minutes,
            "resolution": self.resolution_minutes,
        }
        return {name: timedelta(minutes=value) for name, value in minutes.items() if value is not None}


class OpeningHours(_Body):
    """When an account's desk works, in its own zone. Without `weekly` it works all the time but on holidays."""

    weekly: dict[Weekday, Annotated[list[OpenPeriod], Field(max_length=6)]] = {}
    holidays: Annotated[list[date], Field(max_length=400)] = []
    targets: dict[Priority, PriorityTargets] = {}

    @model_validator(mode="after")
    def _makes_sense(self) -> OpeningHours:
        if self.weekly and not any(self.weekly.values()):
            raise ValueError("the desk opens on no day: leave weekly out where it works all the time")
        for name, given in self.weekly.items():
            periods = [each.period for each in given]
            if any(later.start < earlier.end for earlier, later in pairwise(periods)):
                raise ValueError(f"the periods of {name} overlap or are not in their order")
        return self

    def desk(self, channel: Channel) -> Desk:
        """Return the desk these make in the account's zone."""
        week = tuple(tuple(each.period for each in self.weekly.get(name, [])) for name in WEEKDAYS)
        targets: Targets = {priority: each.by_name for priority, each in self.targets.items()}
        return Desk(WorkingTime(channel.zone, week if self.weekly else (), frozenset(self.holidays)), targets)
