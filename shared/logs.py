"""JSON logs on standard output, a line a record, without personal data (design §10)."""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from shared.clock import rfc3339, utcnow

OWN_LOGGERS = ("musubi", "services", "shared", "simulator", "deploy")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LINE_ID = re.compile(r"\b([UCR])([0-9a-f]{32})\b")
_CREDENTIAL = re.compile(r"(?i)\b(bearer|mk_[0-9a-z]+_|whsec_)\s*[\w.~+/=-]+|(mongodb(?:\+srv)?://)[^@/\s]+@")


def pseudonym(identity: str) -> str:
    """Return a short hash of a LINE id, contact or member id: enough to follow one person through the logs."""
    return hashlib.blake2b(identity.encode(), digest_size=6).hexdigest()


def redact(text: str) -> str:
    """Take LINE ids and credentials out of a text that came from somewhere else, such as an error."""
    text = _LINE_ID.sub(lambda match: f"{match[1]}#{pseudonym(match[0])}", text)
    return _CREDENTIAL.sub(lambda match: f"{match[1] or match[2]}[redacted]", text)


def _clean(value: Any) -> Any:
    """Redact every text in a value, and make it one that JSON can hold."""
    if isinstance(value, str):
        return redact(value).encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_clean(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    return value


def describe_error(error: BaseException) -> str:
    """Return an error's classes and frames without its text: a parser's message may quote what it parsed."""
    lines = []
    seen: BaseException | None = error
    while seen is not None:
        frames = traceback.extract_tb(seen.__traceback__)
        lines.append(seen.__class__.__qualname__)
        lines += [f"  {Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; `extra` fields become members of it."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        entry: dict[str, Any] = {
            "at": rfc3339(utcnow()),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": _clean(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                entry[name] = _clean(value)
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = describe_error(record.exc_info[1])
        return orjson.dumps(entry, default=lambda value: _clean(str(value)), option=orjson.OPT_NON_STR_KEYS).decode()


class Occasionally(logging.Filter):
    """Lets a library say the same thing once in a while: a client tells forty times a second that a server is down."""

    def __init__(self, seconds: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._now = now
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass our own records, and a library's template at most once in the given time."""
        if record.name.partition(".")[0] in OWN_LOGGERS:
            return True
        said, now = (record.name, str(record.msg)), self._now()
        if now - self._said.get(said, -self._seconds) < self._seconds:
            return False
        if len(self._said) > 1000:
            self._said.clear()
        self._said[said] = now
        return True


def configure_logging(service: str, level: str = "INFO") -> None:
    """Send every logger's records to standard output as JSON; libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("WARNING")
    handler.addFilter(Occasionally())
    for own in OWN_LOGGERS:
        logging.getLogger(own).setLevel(level)
