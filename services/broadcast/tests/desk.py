"""What staff of two accounts work with: files, keys of every role, and the app's settings."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import httpx
import yaml
from fastapi import FastAPI

from services.broadcast.settings import BroadcastSettings
from shared.auth import AdminKeys
from shared.channels import Channels, load_channels
from shared.http import Application

CHANNELS = ("shop", "other")
STAFF = {
    "ann": ("admin", ["*"]),
    "max": ("marketer", ["shop"]),
    "guy": ("agent", ["*"]),
    "eve": ("viewer", ["*"]),
    "oz": ("admin", ["other"]),
}
"""By key id: the role, and the accounts the key is for."""


class Desk:
    """Files in a folder, and clients that call with the keys in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._write("channels.yml", yaml.safe_dump([_account(slug, n) for n, slug in enumerate(CHANNELS, 1)]))
        self._write("keys.yml", yaml.safe_dump([_entry(name) for name in STAFF]))
        self._write("links.yml", yaml.safe_dump([{"id": "k1", "secret": base64.b64encode(bytes(32)).decode()}]))
        self._write("erasure.key", base64.b64encode(bytes(32)).decode())

    def _write(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text)

    @property
    def channels(self) -> Channels:
        """The accounts."""
        return load_channels(self._folder / "channels.yml")

    @property
    def keys(self) -> AdminKeys:
        """Who may call."""
        return AdminKeys.load(self._folder / "keys.yml")

    def settings(self, kafka_url: str, mongo_url: str, database: str) -> BroadcastSettings:
        """Settings of a whole broadcast."""
        return BroadcastSettings(
            kafka_url=kafka_url,
            mongo_url=mongo_url,
            mongo_database=database,
            channels_file=self._folder / "channels.yml",
            admin_keys_file=self._folder / "keys.yml",
            link_key_file=self._folder / "links.yml",
            erasure_key_file=self._folder / "erasure.key",
            public_url="http://127.0.0.1",
            port=0,
            ops_port=0,
        )

    def client(self, app: FastAPI | Application, who: str = "ann") -> httpx.AsyncClient:
        """A client that calls as one of the staff."""
        transport = httpx.ASGITransport(app.api if isinstance(app, Application) else app)
        headers = {"authorization": f"Bearer {_key(who)}"}
        return httpx.AsyncClient(transport=transport, base_url="http://broadcast", headers=headers)


def _key(name: str) -> str:
    return f"mk_{name}_{'k' * 32}"


def _entry(name: str) -> dict[str, Any]:
    role, channels = STAFF[name]
    return {"id": name, "sha256": hashlib.sha256(_key(name).encode()).hexdigest(), "role": role, "channels": channels}


def _account(slug: str, number: int) -> dict[str, str]:
    return {
        "slug": slug,
        "name": slug,
        "destination": f"U{number:032x}",
        "basic_id": f"@{slug}",
        "channel_secret": "s" * 32,
        "access_token": "t",
        "timezone": "Asia/Taipei",
        "language": "en",
    }
