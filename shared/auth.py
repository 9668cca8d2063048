"""Who may call the APIs: hashed keys with a role and channels, one permission table (design §9, §12)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from shared.channels import load_yaml_list
from shared.problems import Problem

Role = Literal["admin", "marketer", "agent", "viewer"]

PERMISSIONS: dict[str, frozenset[Role]] = {
    "members.read": frozenset({"admin", "marketer", "agent", "viewer"}),
    "members.keys.write": frozenset({"admin", "agent"}),
    "members.link": frozenset({"admin", "agent"}),
    "members.tags.write": frozenset({"admin", "marketer", "agent"}),
    "members.erase": frozenset({"admin"}),
    "links.create": frozenset({"admin", "marketer"}),
    "conversations.read": frozenset({"admin", "agent"}),
    "conversations.reply": frozenset({"admin", "agent"}),
    "tickets.read": frozenset({"admin", "agent", "viewer"}),
    "tickets.write": frozenset({"admin", "agent"}),
    "desk.configure": frozenset({"admin"}),
    "segments.read": frozenset({"admin", "marketer", "viewer"}),
    "segments.write": frozenset({"admin", "marketer"}),
    "campaigns.read": frozenset({"admin", "marketer", "viewer"}),
    "campaigns.write": frozenset({"admin", "marketer"}),
    "campaigns.send": frozenset({"admin", "marketer"}),
    "insights.read": frozenset({"admin", "marketer", "agent", "viewer"}),
    "dead_letters.read": frozenset({"admin"}),
    "dead_letters.replay": frozenset({"admin"}),
    "dead_letters.drop": frozenset({"admin"}),
    "audit.read": frozenset({"admin"}),
}
"""Which roles may do what; every route names one of these."""


class AdminKey(BaseModel):
    """An entry of ADMIN_KEYS_FILE: the SHA-256 of a key `mk_<id>_<secret>`, never the key."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(pattern="^[A-Za-z0-9]{1,32}$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    role: Role
    channels: list[str] = ["*"]


class Principal(BaseModel):
    """Who is calling: the key's id (for the audit log), its role and the channels it sees."""

    model_config = ConfigDict(frozen=True)

    id: str
    role: Role
    channels: frozenset[str]

    def sees(self, channel: str) -> bool:
        """Whether objects of this channel exist for the caller: another channel's object is a 404."""
        return "*" in self.channels or channel in self.channels

    def may(self, action: str) -> bool:
        """Whether the role may do this action of the permission table."""
        return self.role in PERMISSIONS[action]

    def only(self, known: list[str]) -> list[str]:
        """Of the known channels, those the caller sees."""
        return [channel for channel in known if self.sees(channel)]


class AdminKeys:
    """The keys of ADMIN_KEYS_FILE."""

    def __init__(self, keys: list[AdminKey]) -> None:
        self._keys = {key.id: key for key in keys}

    @classmethod
    def load(cls, path: Path) -> AdminKeys:
        """Read the file; raises BadFile naming the wrong entry and field."""
        return cls([entry for entry in load_yaml_list(path, AdminKey) if isinstance(entry, AdminKey)])

    def authenticate(self, authorization: str | None) -> Principal:
        """Return who calls, from the Authorization header.

        Raises:
            Problem: 401, the same whether the key is missing, malformed, unknown or wrong.
        """
        denied = Problem(
            "unauthorised", "send a key as 'Authorization: Bearer mk_…'", headers={"www-authenticate": "Bearer"}
        )
        scheme, _, token = (authorization or "").partition(" ")
        parts = token.split("_", 2)
        if scheme.lower() != "bearer" or len(parts) != 3 or parts[0] != "mk":
            raise denied
        key = self._keys.get(parts[1])
        digest = hashlib.sha256(token.encode()).hexdigest()
        if key is None or not hmac.compare_digest(digest, key.sha256):
            raise denied
        return Principal(id=key.id, role=key.role, channels=frozenset(key.channels))


def allowed(keys: AdminKeys, action: str, *, everywhere: bool = False) -> Callable[[Request], Principal]:
    """Return a FastAPI dependency that lets a caller through who may do `action`: else 401 or 403.

    `everywhere` asks for a key of all accounts, for what cannot be cut by account.
    """
    roles = ", ".join(sorted(PERMISSIONS[action]))

    def check(request: Request) -> Principal:
        principal = keys.authenticate(request.headers.get("authorization"))
        if not principal.may(action):
            raise Problem("forbidden", f"this needs one of the roles: {roles}")
        if everywhere and "*" not in principal.channels:
            raise Problem("forbidden", "this needs a key for all accounts")
        return principal

    return check
