"""The channels file: a wrong one is told by entry and field, never by value, since it holds secrets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.channels import BadFile, Channel, Channels, load_channels

SECRET = "5ecre7" * 5
OTHER = {"slug": "repair", "destination": f"U{2:032x}"}


def account(**fields: Any) -> dict[str, Any]:
    return {
        "slug": "coffee",
        "name": "Coffee",
        "destination": f"U{1:032x}",
        "basic_id": "@coffee",
        "channel_secret": SECRET,
        "access_token": SECRET,
        "timezone": "Asia/Taipei",
        "language": "en",
    } | fields


def load(tmp_path: Path, content: object) -> Channels:
    path = tmp_path / "channels.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return load_channels(path)


def test_accounts_are_found_by_slug(tmp_path: Path) -> None:
    channels = load(tmp_path, [account(), account(**OTHER)])

    assert [channel.slug for channel in channels] == ["coffee", "repair"]
    assert channels["repair"] is channels.get("repair")
    assert channels.get("other") is None
    assert len(channels) == 2


@pytest.mark.parametrize(
    ("fields", "where", "why"),
    [
        ({"slug": f"Not {SECRET}"}, "1.slug", "pattern"),
        ({"destination": SECRET}, "1.destination", "pattern"),
        ({"basic_id": SECRET}, "1.basic_id", "pattern"),
        ({"timezone": SECRET}, "1.timezone", "no IANA time zone, such as Asia/Taipei"),
        ({"previous_secret_until": "2026-01-01T00:00:00"}, "1.previous_secret_until", "timezone"),
        ({"greetings": {"new": "x" * 5001}}, "1.greetings.new", "at most 5000"),
        ({"rich_menus": {"bond": SECRET}}, "1.rich_menus.bond", "not permitted"),
        ({"chanel_secret": SECRET}, "1.chanel_secret", "not permitted"),
    ],
)
def test_a_wrong_field_is_named_without_its_value(tmp_path: Path, fields: dict[str, Any], where: str, why: str) -> None:
    with pytest.raises(BadFile) as told:
        load(tmp_path, [account(**OTHER), account(**fields)])

    text = str(told.value)
    assert f"channels.yaml: entry {where}: " in text
    assert why in text
    assert SECRET not in text


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    entry = account()
    del entry["channel_secret"]

    with pytest.raises(BadFile, match=r"entry 0\.channel_secret: Field required"):
        load(tmp_path, [entry])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (f"- slug: [{SECRET}\n- x", "no valid YAML near line"),
        ("slug: coffee", "entry -: Input should be a valid list"),
        ("", "entry -: Input should be a valid list"),
    ],
)
def test_what_is_no_list_is_told(tmp_path: Path, content: str, why: str) -> None:
    with pytest.raises(BadFile) as told:
        load(tmp_path, content)

    assert why in str(told.value)
    assert SECRET not in str(told.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"channels.yaml: cannot be read: FileNotFoundError"):
        load_channels(tmp_path / "channels.yaml")
    (tmp_path / "channels.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadFile, match="UnicodeDecodeError"):
        load_channels(tmp_path / "channels.yaml")


@pytest.mark.parametrize(
    ("second", "what"),
    [({**OTHER, "slug": "coffee"}, "slug"), ({"slug": "repair"}, "destination")],
)
def test_two_accounts_are_told_apart(tmp_path: Path, second: dict[str, str], what: str) -> None:
    with pytest.raises(BadFile, match=f"two channels have the same {what}"):
        load(tmp_path, [account(), account(**second)])


def test_secrets_are_in_no_representation(tmp_path: Path) -> None:
    (channel,) = load(tmp_path, [account(previous_channel_secret=SECRET)])

    assert SECRET not in repr(channel) + str(channel) + channel.model_dump_json()


def test_the_previous_secret_is_good_until_its_window_ends() -> None:
    until = datetime(2026, 8, 1, tzinfo=UTC)
    rotated = account(previous_channel_secret="old", channel_secret="new")
    both = Channel.model_validate(rotated | {"previous_secret_until": until})

    assert both.webhook_secrets(until - timedelta(seconds=1)) == [b"new", b"old"]
    assert both.webhook_secrets(until) == [b"new"]
    assert Channel.model_validate(rotated).webhook_secrets(until) == [b"new", b"old"]
    assert Channel.model_validate(account()).webhook_secrets(until) == [SECRET.encode()]


def test_the_add_friend_address_prefers_the_premium_id() -> None:
    assert Channel.model_validate(account()).add_friend_url == "https://line.me/R/ti/p/@coffee"
    premium = Channel.model_validate(account(premium_id="@premium"))
    assert premium.add_friend_url == "https://line.me/R/ti/p/@premium"
    assert str(premium.zone) == "Asia/Taipei"
