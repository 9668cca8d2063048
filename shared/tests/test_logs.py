"""Logs are JSON, a line a record, and name nobody: no LINE ids, no credentials, no texts of errors."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.logs import JsonFormatter, Occasionally, configure_logging, pseudonym, redact

USER = "U" + "0123456789abcdef" * 2
GROUP = "C" + USER[1:]
ROOM = "R" + USER[1:]


def formatted(message: object, *arguments: object, error: BaseException | None = None, **extra: object) -> str:
    record = logging.makeLogRecord(
        {"name": "shared.x", "levelname": "ERROR", "msg": message, "args": arguments} | extra
    )
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    return JsonFormatter("binding").format(record)


def entry(message: object, *arguments: object, **more: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(formatted(message, *arguments, **more))
    return loaded


def test_a_record_is_one_line_of_json_with_its_fields() -> None:
    read = entry("taken\n%s", "over", partition=3, tried=[1, 2])

    assert {name: read[name] for name in ("level", "service", "logger", "message", "partition", "tried")} == {
        "level": "error",
        "service": "binding",
        "logger": "shared.x",
        "message": "taken\nover",
        "partition": 3,
        "tried": [1, 2],
    }
    assert "\n" not in formatted("taken\n%s", "over")
    assert read["at"].endswith("Z")


@pytest.mark.parametrize("identity", [USER, GROUP, ROOM])
@pytest.mark.parametrize(
    "fields",
    [
        {"message": "about {}"},
        {"message": "coffee:{}"},
        {"about": "coffee:{}"},
        {"many": ["x", "{}"]},
        {"deep": {"of": [{"who": "{}"}]}},
        {"by_name": {"{}": 1}},
        {"pair": ("{}", 1)},
        {"some": {"{}"}},
    ],
)
def test_a_line_id_is_in_no_part_of_a_record(identity: str, fields: dict[str, Any]) -> None:
    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{}", identity)
        if isinstance(value, dict):
            return {fill(name): fill(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple | set):
            return type(value)(fill(inner) for inner in value)
        return value

    extra = {name: fill(value) for name, value in fields.items() if name != "message"}
    line = formatted(fill(fields.get("message", "x")), **extra)

    assert identity not in line
    assert pseudonym(identity) in line


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abc.DEF-123_/+==", "Authorization: Bearer[redacted]"),
        ("key mk_dev_s3cr3t-s3cr3t refused", "key mk_dev_[redacted] refused"),
        ("signed with whsec_c2VjcmV0", "signed with whsec_[redacted]"),
        ("mongodb://user:pass@host/db", "mongodb://[redacted]host/db"),
        ("mongodb+srv://user:pass@host/db", "mongodb+srv://[redacted]host/db"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_credentials_are_taken_out(text: str, left: str) -> None:
    assert redact(text) == left


@given(st.text())
def test_redacting_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_an_error_is_told_by_its_class_and_place_not_by_its_text() -> None:
    try:
        try:
            raise ValueError(f"cannot parse 'my phone is 0912' of {USER}")
        except ValueError as cause:
            raise RuntimeError("secret text") from cause
    except RuntimeError as error:
        read = entry("failed", error=error)

    assert read["error"].splitlines()[0] == "RuntimeError"
    assert "ValueError" in read["error"]
    assert "test_logs.py:" in read["error"]
    assert "0912" not in json.dumps(read)
    assert "secret text" not in json.dumps(read)


def test_any_object_and_any_text_can_be_logged() -> None:
    class Odd:
        def __str__(self) -> str:
            return f"odd {USER}"

    read = entry("lone \ud800 surrogate", odd=Odd(), raw=b"bytes", key={1: "one"})

    assert read["message"] == "lone ? surrogate"
    assert read["odd"].startswith("odd U#")
    assert read["key"] == {"1": "one"}


def test_own_loggers_speak_from_the_level_on_and_libraries_from_warning(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    own = [logging.getLogger(name) for name in ("musubi", "services", "shared", "simulator", "deploy")]
    before = [(logger, logger.level) for logger in (root, *own)]
    handlers = list(root.handlers)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    try:
        configure_logging("binding", "INFO")
        logging.getLogger("services.binding").info("own")
        logging.getLogger("services.binding").debug("too quiet")
        logging.getLogger("aiokafka").info("a library's")
        logging.getLogger("aiokafka").warning("a library's worry")
    finally:
        root.handlers[:] = handlers
        for logger, level in before:
            logger.setLevel(level)

    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == [
        "own",
        "a library's worry",
    ]


def test_a_library_repeats_itself_only_once_in_a_while_and_we_may() -> None:
    now = 0.0
    quiet = Occasionally(10, lambda: now)

    def passes(name: str, text: str) -> bool:
        return quiet.filter(logging.LogRecord(name, logging.ERROR, "", 0, text, None, None))

    assert [passes("aiokafka.conn", "no route") for _ in range(3)] == [True, False, False]
    assert passes("aiokafka.conn", "another thing")
    assert [passes("shared.outbox", "left over") for _ in range(2)] == [True, True]
    now = 10.0
    assert passes("aiokafka.conn", "no route")
