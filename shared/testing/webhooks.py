"""LINE's webhooks and the files ingest reads, for tests: made-up accounts, ids and secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared.clock import to_millis, utcnow
from shared.ids import ulid

DESTINATION = "Uc5f96e75c454fa23d827923c76e6b5d1"
SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - the example secret of the fixtures
LINK_SECRET = base64.b64encode(b"link-key-of-tests-32-bytes-long!").decode()
CALLBACK_SECRET = "whsec_" + base64.b64encode(b"callback-secret-of-tests").decode()
_USERS = itertools.count(1)


def user_id() -> str:
    """Return a LINE user id that no other test uses."""
    return f"U{hashlib.md5(f'{ulid()}{next(_USERS)}'.encode(), usedforsecurity=False).hexdigest()}"


def event(kind: str = "follow", user: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a webhook event of a user that happened now."""
    return {
        "type": kind,
        "webhookEventId": ulid(),
        "deliveryContext": {"isRedelivery": False},
        "timestamp": to_millis(utcnow()),
        "source": {"type": "user", "userId": user or user_id()},
        "mode": "active",
        **more,
    }


def webhook(*events: dict[str, Any], destination: str = DESTINATION) -> bytes:
    """Return a webhook's raw body."""
    text = json.dumps({"destination": destination, "events": events}, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def sign(body: bytes, secret: str = SECRET) -> str:
    """Return LINE's signature of a body."""
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def signed_headers(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a webhook."""
    return {"content-type": "application/json; charset=utf-8", "x-line-signature": sign(body, secret)}


def account(slug: str, **more: Any) -> dict[str, Any]:
    """Return an entry of the channels file."""
    return {
        "slug": slug,
        "name": f"Account {slug}",
        "destination": DESTINATION,
        "basic_id": f"@{slug}",
        "channel_secret": SECRET,
        "access_token": "token-of-tests",
        "timezone": "Asia/Taipei",
        "language": "zh-TW",
        **more,
    }


@dataclass(frozen=True)
class IngestFiles:
    """The files ingest's settings name."""

    channels: Path
    callbacks: Path
    link_keys: Path

    def environment(self) -> dict[str, str]:
        """Return the settings that name them."""
        return {
            "CHANNELS_FILE": str(self.channels),
            "CALLBACKS_FILE": str(self.callbacks),
            "LINK_KEY_FILE": str(self.link_keys),
        }


def write_files(
    folder: Path, accounts: Sequence[dict[str, Any]], callbacks: Sequence[dict[str, Any]] = ()
) -> IngestFiles:
    """Write ingest's files into a folder."""
    files = IngestFiles(folder / "channels.yaml", folder / "callbacks.yaml", folder / "link_keys.yaml")
    files.channels.write_text(yaml.safe_dump([*accounts]), encoding="utf-8")
    files.callbacks.write_text(yaml.safe_dump([*callbacks]), encoding="utf-8")
    files.link_keys.write_text(yaml.safe_dump([{"id": "k1", "secret": LINK_SECRET}]), encoding="utf-8")
    return files
