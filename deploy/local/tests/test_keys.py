"""Development keys: made once, for this user alone, in the form that the services read."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import yaml

from deploy.local.keys import container_key_files, key_files
from deploy.local.paths import Home
from shared.channels import load_channels


def test_the_accounts_load_and_are_those_of_the_story(tmp_path: Path) -> None:
    channels = load_channels(key_files(Home(tmp_path)).channels)
    coffee, repair = channels["musubi-coffee"], channels["musubi-repair"]
    assert (coffee.timezone, coffee.language) == ("Asia/Taipei", "zh-TW")
    assert (repair.timezone, repair.language) == ("Asia/Tokyo", "ja")
    assert coffee.liff_id is not None
    assert coffee.login_channel_id is not None
    assert repair.liff_id is None
    assert repair.login_channel_id is None
    for channel in channels:
        assert channel.greetings.new is not None
        assert "{name}" in channel.greetings.new
        assert channel.rich_menus.bound != channel.rich_menus.unbound


def test_the_admin_key_is_the_one_whose_hash_is_listed(tmp_path: Path) -> None:
    files = key_files(Home(tmp_path))
    [entry] = yaml.safe_load(files.admin_keys.read_text())
    key = files.admin_key.read_text().removesuffix("\n")
    assert key.startswith("mk_dev_")
    assert entry["sha256"] == hashlib.sha256(key.encode()).hexdigest()
    assert (entry["role"], entry["channels"]) == ("admin", ["*"])


def test_link_and_callback_secrets_are_long_enough(tmp_path: Path) -> None:
    files = key_files(Home(tmp_path))
    [link] = yaml.safe_load(files.link_keys.read_text())
    assert len(base64.b64decode(link["secret"])) == 32
    sources = yaml.safe_load(files.callbacks.read_text())
    assert {source["kind"] for source in sources} == {"orders", "donations", "bindings"}
    for source in sources:
        assert len(base64.b64decode(source["secrets"][0].removeprefix("whsec_"))) == 32


def test_no_other_user_can_read_them(tmp_path: Path) -> None:
    files = key_files(Home(tmp_path))
    for path in vars(files).values():
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_start_keeps_them(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in vars(key_files(Home(tmp_path))).values()}
    assert {path: path.read_bytes() for path in vars(key_files(Home(tmp_path))).values()} == first


def test_a_containers_user_can_read_what_is_mounted_and_nobody_else_gets_there(tmp_path: Path) -> None:
    for _ in range(2):
        files = vars(container_key_files(Home(tmp_path)))
        modes = {name: path.stat().st_mode & 0o777 for name, path in files.items()}
        assert modes.pop("admin_key") == 0o600
        assert set(modes.values()) == {0o644}
        assert {path.parent.stat().st_mode & 0o777 for path in files.values()} == {0o700}
