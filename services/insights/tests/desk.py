"""A working directory of insights: the files its settings name, keys to call it with, and an HTTP client of its app."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from services.insights.settings import InsightsSettings
from shared.http import Application


@dataclass(frozen=True)
class Desk:
    """Files and keys of an insights: `admin` sees every account, `limited` only the first."""

    folder: Path
    admin: str
    limited: str

    def environment(self, kafka_url: str, mongo_url: str, database: str, group: str) -> dict[str, str]:
        """Return the environment of the process."""
        return {
            "KAFKA_URL": kafka_url,
            "MONGO_URL": mongo_url,
            "MONGO_DATABASE": database,
            "CHANNELS_FILE": str(self.folder / "channels.yml"),
            "ADMIN_KEYS_FILE": str(self.folder / "keys.yml"),
            "ERASURE_KEY_FILE": str(self.folder / "erasure.key"),
            "CONSUMER_GROUP": group,
            "PORT": "0",
            "OPS_PORT": "0",
        }

    def settings(self, kafka_url: str, mongo_url: str, database: str, group: str = "insights") -> InsightsSettings:
        """Return the settings that this environment gives."""
        environment = self.environment(kafka_url, mongo_url, database, group)
        return InsightsSettings.model_validate({name.lower(): value for name, value in environment.items()})

    def client(self, app: Application, key: str | None = None) -> httpx.AsyncClient:
        """Return a client of the app, calling with a key (that of `admin` by default)."""
        headers = {"authorization": f"Bearer {key or self.admin}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(app.api), base_url="http://insights", headers=headers)


def make_desk(folder: Path, zones: dict[str, str]) -> Desk:
    """Write the files of accounts, by slug and zone."""
    accounts = [_channel(slug, number, zone) for number, (slug, zone) in enumerate(zones.items(), 1)]
    (folder / "channels.yml").write_text(yaml.safe_dump(accounts))
    admin, admin_entry = _key("all", ["*"])
    limited, limited_entry = _key("one", [next(iter(zones))])
    (folder / "keys.yml").write_text(yaml.safe_dump([admin_entry, limited_entry]))
    (folder / "erasure.key").write_text(base64.b64encode(bytes(32)).decode())
    return Desk(folder, admin, limited)


def _channel(slug: str, number: int, zone: str) -> dict[str, str]:
    return {
        "slug": slug,
        "name": slug,
        "destination": f"U{number:032x}",
        "basic_id": f"@{slug}",
        "channel_secret": "s" * 32,
        "access_token": "t",
        "timezone": zone,
        "language": "en",
    }


def _key(name: str, channels: list[str]) -> tuple[str, dict[str, Any]]:
    key = f"mk_{name}_{'k' * 32}"
    return key, {"id": name, "sha256": hashlib.sha256(key.encode()).hexdigest(), "role": "viewer", "channels": channels}
