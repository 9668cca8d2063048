"""A rule as staff write and read it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.ticketing.autoreplies.model import DAYS, Audience, Day, Rule, When, Window, compared

_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"


def _says_something(keyword: str) -> str:
    if not compared(keyword):
        raise ValueError("must not be blank")
    return keyword.strip()


Keyword = Annotated[str, Field(max_length=100), AfterValidator(_says_something)]
FlowName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


class WindowBody(BaseModel):
    """Hours of some days in the account's zone; `to` at or before `from` is on the next day."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    days: Annotated[list[Day], Field(min_length=1)]
    start: Annotated[str, Field(alias="from", pattern=_CLOCK, examples=["09:00"])]
    end: Annotated[str, Field(alias="to", pattern=_CLOCK, examples=["18:00"])]


class ActionBody(BaseModel):
    """What a rule does instead of answering."""

    model_config = ConfigDict(extra="forbid")

    start_flow: FlowName


class RuleBody(BaseModel):
    """A rule: which keywords, for whom, when, and either the messages or the action."""

    model_config = ConfigDict(extra="forbid")

    keywords: Annotated[list[Keyword], Field(min_length=1, max_length=50)]
    audience: Audience = "any"
    when: When = "always"
    windows: Annotated[list[WindowBody], Field(max_length=50)] = []
    messages: list[dict[str, Any]] | None = None
    action: ActionBody | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 100

    @model_validator(mode="after")
    def _holds_together(self) -> RuleBody:
        if (self.messages is None) == (self.action is None):
            raise ValueError("give either messages or an action")
        if (self.when == "always") == bool(self.windows):
            raise ValueError("inside and outside need windows, always has none")
        return self


class RuleView(RuleBody):
    """A stored rule."""

    channel: str
    name: str
    version: int
    updated_at: datetime | None
    updated_by: str


class RulePage(BaseModel):
    """A page of rules."""

    items: list[RuleView]
    next_cursor: str | None


def rule_of(body: RuleBody, channel: str, name: str, version: int, at: datetime, by: str) -> Rule:
    """Return the rule that a body describes."""
    return Rule(
        channel=channel,
        name=name,
        keywords=tuple(body.keywords),
        audience=body.audience,
        when=body.when,
        windows=tuple(_window(window) for window in body.windows),
        messages=tuple(body.messages or ()),
        start_flow=body.action.start_flow if body.action else None,
        priority=body.priority,
        version=version,
        updated_at=at,
        updated_by=by,
    )


def _window(body: WindowBody) -> Window:
    days = cast("tuple[Day, ...]", tuple(day for day in DAYS if day in body.days))
    return Window(days, time.fromisoformat(body.start), time.fromisoformat(body.end))


def rule_view(rule: Rule) -> RuleView:
    """Return what staff see of a rule."""
    windows: list[Mapping[str, Any]] = [
        {"days": list(window.days), "from": f"{window.start:%H:%M}", "to": f"{window.end:%H:%M}"}
        for window in rule.windows
    ]
    return RuleView.model_validate(
        {
            "keywords": list(rule.keywords),
            "audience": rule.audience,
            "when": rule.when,
            "windows": windows,
            "messages": list(rule.messages) if rule.start_flow is None else None,
            "action": {"start_flow": rule.start_flow} if rule.start_flow else None,
            "priority": rule.priority,
            "channel": rule.channel,
            "name": rule.name,
            "version": rule.version,
            "updated_at": rule.updated_at,
            "updated_by": rule.updated_by,
        }
    )
