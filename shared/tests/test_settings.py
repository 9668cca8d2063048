"""Wrong settings end a process with status 2 and a line for each, without showing a value."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.settings import BAD_SETTINGS_EXIT, LineSettings, StoreSettings, load_settings


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of a service that is right."""
    (tmp_path / "file.yaml").write_text("[]")
    right = {
        "KAFKA_URL": "127.0.0.1:9092,[::1]:9093",
        "MONGO_URL": "mongodb://127.0.0.1:27017",
        "CHANNELS_FILE": str(tmp_path / "file.yaml"),
        "ADMIN_KEYS_FILE": str(tmp_path / "file.yaml"),
        "PORT": "8001",
        "OPS_PORT": "9001",
    }
    for name in ("HOST", "LOG_LEVEL", "LINE_API_URL", "LINE_DATA_URL", "LINE_LOGIN_URL", "MONGO_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in right.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def complaint(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines with which loading ends the process."""
    with pytest.raises(SystemExit) as ended:
        load_settings(StoreSettings, "binding")
    assert ended.value.code == BAD_SETTINGS_EXIT == 2
    return capsys.readouterr().err.splitlines()


def test_right_settings_are_read_with_their_defaults(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(StoreSettings, "binding")

    assert (settings.port, settings.host, settings.log_level) == (8001, "127.0.0.1", "INFO")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("KAFKA_URL", "http://kafka", "KAFKA_URL: must be host:port, or several of them with commas between"),
        ("KAFKA_URL", "a:9092,b", "KAFKA_URL: must be host:port, or several of them with commas between"),
        ("MONGO_URL", "postgres://x:secret@h", "MONGO_URL: must start with mongodb:// or mongodb+srv://"),
        ("CHANNELS_FILE", "/nowhere/channels.yaml", "CHANNELS_FILE: names no file that can be read"),
        ("PORT", "no-number", "PORT: Input should be a valid integer, unable to parse string as an integer"),
        ("PORT", "70000", "PORT: Input should be less than or equal to 65535"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL: String should match pattern '^(DEBUG|INFO|WARNING|ERROR)$'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, line: str
) -> None:
    environment.setenv(name, value)

    assert complaint(capsys) == ["binding cannot start: wrong settings in its environment", f"  {line}"]


def test_every_missing_one_is_named_at_once(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KAFKA_URL", "PORT"):
        environment.delenv(name)

    assert complaint(capsys)[1:] == ["  KAFKA_URL: is missing", "  PORT: is missing"]


def test_no_value_is_shown(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    environment.setenv("MONGO_URL", "user:hunter2@host")

    assert "hunter2" not in "".join(complaint(capsys))


def test_line_is_the_real_one_unless_said_otherwise(environment: pytest.MonkeyPatch) -> None:
    assert load_settings(LineSettings, "binding").line_api_url == "https://api.line.me"
    environment.setenv("LINE_API_URL", "http://127.0.0.1:8010/")
    assert load_settings(LineSettings, "binding").line_api_url == "http://127.0.0.1:8010"


def test_settings_are_frozen(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(StoreSettings, "binding")

    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1
