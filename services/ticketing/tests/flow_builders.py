"""Scripts, sessions and what friends send, for the tests of flows."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from services.ticketing.flows.definition import Definition
from services.ticketing.flows.model import Incoming, Step, advance, start

AT = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
REPAIR_FILE = Path(__file__).parents[1] / "flows" / "repair.yaml"
_IDS = itertools.count(612001677259054127)


def words(text: str) -> dict[str, str]:
    """A text in the languages of the triage script."""
    return {"en": text, "zh-TW": f"{text}（中文）"}


def triage(**changes: Any) -> dict[str, Any]:
    """A script with every kind of step, as staff would PUT it."""
    return {
        "languages": ["en", "zh-TW"],
        "start_words": ["triage"],
        "cancel_words": ["cancel"],
        "skip_words": ["skip"],
        "done_words": ["done"],
        "buttons": {name: words(name) for name in ("skip", "done", "cancel", "accept", "decline")},
        "timeout_minutes": 30,
        "completed": words("Thank you."),
        "cancelled": words("Cancelled."),
        "timed_out": words("Timed out."),
        "steps": [
            {"id": "hello", "kind": "say", "text": words("Hello.")},
            {
                "id": "what",
                "kind": "choice",
                "label": words("What"),
                "prompt": words("What is it about?"),
                "options": [{"id": each, "label": words(each.title())} for each in ("gift", "letter", "other")],
            },
            {"id": "fork", "kind": "branch", "on": "what", "when": {"letter": "letter", "other": "end"}},
            {"id": "phone", "kind": "phone", "label": words("Phone"), "prompt": words("Your phone?")},
            {
                "id": "note",
                "kind": "text",
                "label": words("Note"),
                "prompt": words("A note?"),
                "again": words("2 to 20 characters."),
                "optional": True,
                "min_length": 2,
                "max_length": 20,
                "next": "sure",
            },
            {
                "id": "letter",
                "kind": "photos",
                "label": words("Letter"),
                "prompt": words("Photos of the letter, 2 to 4."),
                "more": words("{count} of {max}"),
                "min": 2,
                "max": 4,
            },
            {"id": "sure", "kind": "confirm", "prompt": words("Right?\n{summary}")},
        ],
        **changes,
    }


def definition(**changes: Any) -> Definition:
    """The triage script, published."""
    return Definition.model_validate({"name": "triage", "version": 1, **triage(**changes)})


def repair() -> Definition:
    """The built-in repair."""
    return Definition.model_validate(yaml.safe_load(REPAIR_FILE.read_text(encoding="utf-8")))


def text(content: str) -> Incoming:
    """A text message."""
    number = str(next(_IDS))
    return Incoming("text", text=content, message_id=number, event_id=f"e{number}")


def photo(message_id: str | None = None, **image_set: Any) -> Incoming:
    """A photo, alone or of a set (`id`, `index`, `total`)."""
    number = message_id or str(next(_IDS))
    return Incoming("image", message_id=number, image_set=image_set or None, event_id=f"e{next(_IDS)}")


def press(reply: dict[str, Any], label: str) -> Incoming:
    """The button of this label under a message."""
    items = reply["quickReply"]["items"]
    (data,) = [item["action"]["data"] for item in items if item["action"]["label"] == label]
    return Incoming("postback", postback=data, event_id=f"e{next(_IDS)}")


class Chat:
    """A friend in a flow: says things, and reads what comes back."""

    def __init__(self, script: Definition, language: str = "en") -> None:
        self.definition = script
        self.at = AT
        self.step: Step = start(script, "session-1", self.at, language=language)

    @property
    def said(self) -> list[str]:
        """The texts of the last replies."""
        return [reply["text"] for reply in self.step.replies]

    def send(self, *arriving: Incoming | str) -> Chat:
        """Let things arrive one after another."""
        for each in arriving:
            assert self.step.session is not None, "the chat is over"
            incoming = text(each) if isinstance(each, str) else each
            self.step = advance(self.definition, self.step.session, incoming, self.at)
        return self

    def press(self, label: str) -> Chat:
        """Press a button of the last message."""
        return self.send(press(self.step.replies[-1], label))
