"""Development accounts and keys, made once under `.local/secrets`, readable by this user alone, never printed."""

from __future__ import annotations

import base64
import hashlib
import secrets
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.local.paths import Home

WORDS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class KeyFiles:
    """The files that the services' settings name."""

    channels: Path
    callbacks: Path
    admin_keys: Path
    admin_key: Path
    link_keys: Path
    erasure_key: Path


def key_files(home: Home) -> KeyFiles:
    """Return the files of a stack, making those that are not there and leaving alone those that are."""
    folder = home.secrets
    files = KeyFiles(
        channels=folder / "channels.yaml",
        callbacks=folder / "callbacks.yaml",
        admin_keys=folder / "admin_keys.yaml",
        admin_key=folder / "admin.key",
        link_keys=folder / "link_keys.yaml",
        erasure_key=folder / "erasure.key",
    )
    if not files.channels.exists():
        _write(files.channels, _yaml([_coffee(), _repair()]))
    if not files.callbacks.exists():
        _write(files.callbacks, _yaml(_callbacks()))
    if not (files.admin_keys.exists() and files.admin_key.exists()):
        key = f"mk_dev_{secrets.token_urlsafe(32)}"
        entry = {"id": "dev", "sha256": hashlib.sha256(key.encode()).hexdigest(), "role": "admin", "channels": ["*"]}
        _write(files.admin_keys, _yaml([entry]))
        _write(files.admin_key, key + "\n")
    if not files.link_keys.exists():
        _write(files.link_keys, _yaml([{"id": "k1", "secret": _base64(32)}]))
    if not files.erasure_key.exists():
        _write(files.erasure_key, _base64(32) + "\n")
    return files


@dataclass(frozen=True)
class ContainerKeyFiles(KeyFiles):
    """The files that docker-compose.yml mounts as secrets."""

    grafana_password: Path


def container_key_files(home: Home) -> ContainerKeyFiles:
    """Return the files of a stack in containers, as `key_files` does.

    A container's user is none of this machine's, so it must be one of "others" to read what is mounted for it. The
    folder stays closed: only who may enter it, or was given a mount, gets to the files.
    """
    files = ContainerKeyFiles(**vars(key_files(home)), grafana_password=home.secrets / "grafana.password")
    if not files.grafana_password.exists():
        _write(files.grafana_password, secrets.token_urlsafe(24))
    for path in vars(files).values():
        path.chmod(0o644)
    files.admin_key.chmod(0o600)
    return files


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _yaml(content: list[dict[str, Any]]) -> str:
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


def _base64(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode()


def _account(slug: str, name: str, basic_id: str, zone: str, language: str, **more: Any) -> dict[str, Any]:
    return {
        "slug": slug,
        "name": name,
        "destination": f"U{secrets.token_hex(16)}",
        "basic_id": basic_id,
        "channel_secret": secrets.token_hex(16),
        "access_token": secrets.token_urlsafe(120),
        **more,
        "timezone": zone,
        "language": language,
        "rich_menus": {"bound": f"richmenu-{secrets.token_hex(16)}", "unbound": f"richmenu-{secrets.token_hex(16)}"},
    }


def _coffee() -> dict[str, Any]:
    login_channel = str(secrets.randbelow(9 * 10**9) + 10**9)
    liff_id = f"{login_channel}-{''.join(secrets.choice(WORDS) for _ in range(8))}"
    account = _account(
        "musubi-coffee",
        "結咖啡",
        "@musubicoffee",
        "Asia/Taipei",
        "zh-TW",
        login_channel_id=login_channel,
        liff_id=liff_id,
    )
    greetings = {
        "new": "{name} 您好，歡迎加入結咖啡！完成會員綁定，就能收到點數與優惠。",
        "returning": "{name}，歡迎回來！您的會員資料都還在。",
        "linked": "{name}，會員綁定完成！想解除綁定時，隨時在這裡告訴我們。",
        "link_failed": "這次沒有完成綁定，請從選單再試一次。",
    }
    return account | {"greetings": greetings}


def _repair() -> dict[str, Any]:
    account = _account("musubi-repair", "むすび修理店", "@musubirepair", "Asia/Tokyo", "ja")
    greetings = {
        "new": "{name}さん、友だち追加ありがとうございます。修理のご相談はこのトークからどうぞ。",
        "returning": "{name}さん、おかえりなさい。前回のご相談の続きもこちらで承ります。",
        "linked": "{name}さん、会員連携が完了しました。解除はいつでもこのトークでお申し付けください。",
        "link_failed": "連携を完了できませんでした。メニューからもう一度お試しください。",
    }
    return account | {"greetings": greetings}


def _callbacks() -> list[dict[str, Any]]:
    sources = (
        ("coffee-shop", "orders", "musubi-coffee"),
        ("coffee-members", "bindings", "musubi-coffee"),
        ("coffee-fund", "donations", "musubi-coffee"),
        ("repair-shop", "orders", "musubi-repair"),
        ("repair-members", "bindings", "musubi-repair"),
    )
    return [
        {"slug": slug, "kind": kind, "channel": channel, "secrets": [f"whsec_{_base64(32)}"]}
        for slug, kind, channel in sources
    ]
