"""Checking the `messages` of a request: strict, and cheap for what is sent ten thousand times."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import orjson

from simulator.line.errors import LineError, bad_property, body_errors
from simulator.line.rules import message_problems, utf16
from simulator.line.schema import messages_validator, schema_errors
from simulator.world.world import digest_of

_REMEMBERED = 4096
_PLAIN = {"type", "text"}


class MessageCheck:
    """Remembers the fingerprints of message arrays that passed, so that equal ones pass at once."""

    def __init__(self) -> None:
        self._passed: OrderedDict[str, None] = OrderedDict()

    def digest(self, messages: Any) -> str:
        """Return the fingerprint of valid message objects.

        Raises:
            LineError: 400 with LINE's details.
        """
        if messages is None:
            raise body_errors(("May not be empty", "messages"))
        if not isinstance(messages, list):
            raise bad_property("messages")
        digest = digest_of(orjson.dumps(messages))
        if digest in self._passed:
            self._passed.move_to_end(digest)
            return digest
        if not _is_plain_text(messages):
            self._check(messages)
            self._passed[digest] = None
            if len(self._passed) > _REMEMBERED:
                self._passed.popitem(last=False)
        return digest

    def _check(self, messages: list[Any]) -> None:
        problems = schema_errors(messages_validator(), messages, "messages") or message_problems(messages)
        if problems:
            listed = [{"message": message, "property": where} for message, where in problems]
            raise LineError(400, f"The request body has {len(listed)} error(s)", listed)


def _is_plain_text(messages: list[Any]) -> bool:
    """Whether these are one to five valid text messages with nothing but text: no need to ask the schema."""
    if not 1 <= len(messages) <= 5:
        return False
    for message in messages:
        if not isinstance(message, dict) or message.keys() != _PLAIN or message["type"] != "text":
            return False
        text = message["text"]
        if not isinstance(text, str) or not 0 < utf16(text) <= 5000:
            return False
    return True
