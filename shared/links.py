"""Signed, self-contained links: tracked links (`/r/{token}`) and add-friend sources (`/s/{code}`) (design §9).

Ingest owns no database, so a link carries what it needs and a signature over it: HMAC-SHA256, cut to 128 bits, by a key
of LINK_KEY_FILE named in the link. The first key signs, every listed key is accepted, so keys rotate by prepending.

    token  c1.<key id>.<base64url of [channel, link, url, member, expires]>.<signature>
    code   <channel>.<source>.<key id><signature>         short enough for a QR code, and readable

`c1` is the version of the token's form; a code of another form would have another number of parts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.channels import BadFile, load_yaml_list
from shared.clock import from_millis, to_millis

VERSION = "c1"
SIGNATURE_BYTES = 16
SIGNATURE_CHARS = 22
SECRET_BYTES = 32
MAX_URL = 2048
MAX_TOKEN = 4096
_SLUG = re.compile(r"[a-z0-9-]{1,32}\Z")
_LINK = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_LINE_ID = re.compile(r"[UCR][0-9a-f]{32}")


class BadLink(ValueError):
    """Nothing here signed this link, or it has expired; which of them is nobody's business."""


class LinkKey(BaseModel):
    """An entry of LINK_KEY_FILE."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(pattern="^[a-z0-9]{1,8}$")]
    secret: SecretStr


class Click(msgspec.Struct, frozen=True, array_like=True):
    """What a tracked link says: a campaign's or page's link id, where it leads, whose it is."""

    channel: str
    link: str
    url: str
    member: str | None = None
    """A member id; never a LINE user id, for the token is no secret."""
    expires: int | None = None
    """UNIX milliseconds."""


class Source(msgspec.Struct, frozen=True):
    """An add-friend source of an account: `window`, `flyer-2026-11`, …"""

    channel: str
    name: str


class LinkKeys:
    """Signs and reads links."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        """Take (id, secret) pairs; the first one signs."""
        if not keys:
            raise ValueError("at least one link key is needed")
        self._keys = dict(keys)
        self._signing = keys[0][0]

    @classmethod
    def load(cls, path: Path) -> LinkKeys:
        """Read LINK_KEY_FILE.

        Raises:
            BadFile: says which entry is wrong, and never shows a secret.
        """
        entries = [entry for entry in load_yaml_list(path, LinkKey) if isinstance(entry, LinkKey)]
        if not entries:
            raise BadFile(f"{path.name}: holds no key")
        if len({entry.id for entry in entries}) != len(entries):
            raise BadFile(f"{path.name}: two keys have the same id")
        return cls([(entry.id, _secret(path, entry)) for entry in entries])

    def sign_click(
        self, *, channel: str, link: str, url: str, member: str | None = None, expires_at: datetime | None = None
    ) -> str:
        """Return the token of a tracked link.

        Raises:
            ValueError: a part is not allowed: the address must be https (http only on loopback), the ids short and
                plain, and no LINE id may be among them.
        """
        _allow_target(url)
        if not _SLUG.match(channel) or not _LINK.match(link):
            raise ValueError("channel and link must be short plain ids")
        if member is not None and (not _LINK.match(member) or _LINE_ID.search(member)):
            raise ValueError("member must be a member id")
        click = Click(channel, link, url, member, None if expires_at is None else to_millis(expires_at))
        signed = f"{VERSION}.{self._signing}.{_encode(msgspec.json.encode(click))}"
        return f"{signed}.{self._sign(self._signing, signed)}"

    def read_click(self, token: str, now: datetime) -> Click:
        """Return what a token says.

        Raises:
            BadLink: it is none of ours, or has expired.
        """
        signed, _, signature = token.rpartition(".")
        version, _, rest = signed.partition(".")
        key, _, payload = rest.partition(".")
        if version != VERSION or len(token) > MAX_TOKEN:
            raise BadLink("no link of ours")
        self._check(key, signed, signature)
        try:
            click = msgspec.json.decode(_decode(payload), type=Click)
        except (msgspec.DecodeError, binascii.Error, ValueError):
            raise BadLink("no link of ours") from None
        if click.expires is not None and now >= from_millis(click.expires):
            raise BadLink("expired")
        return click

    def sign_source(self, *, channel: str, source: str) -> str:
        """Return the code of an add-friend source.

        Raises:
            ValueError: channel or source is not of the form `[a-z0-9-]{1,32}`.
        """
        if not _SLUG.match(channel) or not _SLUG.match(source):
            raise ValueError("a source's name has 1 to 32 of a-z, 0-9 and -")
        signed = f"{channel}.{source}"
        return f"{signed}.{self._signing}{self._sign(self._signing, signed)}"

    def read_source(self, code: str) -> Source:
        """Return the source a code names.

        Raises:
            BadLink: it is none of ours.
        """
        parts = code.split(".")
        if len(parts) != 3 or len(code) > 128:
            raise BadLink("no source of ours")
        channel, name, tail = parts
        self._check(tail[:-SIGNATURE_CHARS], f"{channel}.{name}", tail[-SIGNATURE_CHARS:])
        return Source(channel, name)

    def _sign(self, key: str, signed: str) -> str:
        # A token starts with `c1.`, a code's text has one dot and a token's two: neither can be taken for the other.
        digest = hmac.digest(self._keys[key], signed.encode(), hashlib.sha256)
        return _encode(digest[:SIGNATURE_BYTES])

    def _check(self, key: str, signed: str, signature: str) -> None:
        known = key in self._keys and signed.isascii() and signature.isascii()
        if not known or not hmac.compare_digest(self._sign(key, signed), signature):
            raise BadLink("no link of ours")


def _allow_target(url: str) -> None:
    if len(url) > MAX_URL or not url.isascii() or any(character <= " " for character in url) or "\\" in url:
        raise ValueError(f"a link's address has at most {MAX_URL} characters, percent-encoded, without spaces")
    parts = urlsplit(url)
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("a link's address must be absolute, without a user name")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("a link's address must begin with https://")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _secret(path: Path, entry: LinkKey) -> bytes:
    try:
        secret = base64.b64decode(entry.secret.get_secret_value(), validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) < SECRET_BYTES:
        raise BadFile(f"{path.name}: the secret of key {entry.id} is not base64 of {SECRET_BYTES} bytes")
    return secret


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
