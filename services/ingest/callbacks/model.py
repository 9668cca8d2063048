"""Callbacks by the standard-webhooks rules: who may call, what is signed, what it becomes. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from shared.channels import Slug
from shared.events import CommerceReceived
from shared.ids import stable_uuid

TOLERANCE = timedelta(minutes=5)
SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, no secret
MIN_SECRET_BYTES = 16
CUSTOMER_FIELDS = ("customer_key", "customer_id")
_ID = re.compile(r"[\x21-\x7e]{1,256}\Z")
_SECONDS = re.compile(r"[0-9]{1,12}\Z")


class Forged(ValueError):
    """A callback is not signed by its source, or not now."""


class Malformed(ValueError):
    """A signed callback does not hold `{type, timestamp, data}`."""


class Signed(NamedTuple):
    """The standard-webhooks headers, each None where it is absent or doubled."""

    id: str | None
    timestamp: str | None
    signatures: str | None


class CallbackSource(BaseModel):
    """An entry of CALLBACKS_FILE: a shop or donation site of an account. Several secrets while one is replaced."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    slug: Slug
    kind: Literal["orders", "donations", "bindings"]
    channel: Slug
    secrets: Annotated[list[SecretStr], Field(min_length=1)]

    @field_validator("secrets")
    @classmethod
    def _are_keys(cls, value: list[SecretStr]) -> list[SecretStr]:
        for secret in value:
            if len(_key(secret)) < MIN_SECRET_BYTES:
                raise ValueError(f"must be whsec_ and the base64 of at least {MIN_SECRET_BYTES} bytes")
        return value


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    type: Annotated[str, Field(min_length=1, max_length=128)]
    timestamp: AwareDatetime
    data: dict[str, Any]


def verify(source: CallbackSource, signed: Signed, body: bytes, now: datetime) -> str:
    """Check the standard-webhooks headers of a callback and return its id.

    Raises:
        Forged: a header is missing or malformed, the time is over 5 minutes off, or no `v1` signature is right.
    """
    webhook_id, timestamp, signatures = signed
    if webhook_id is None or timestamp is None or signatures is None:
        raise Forged
    if not _ID.match(webhook_id) or not _SECONDS.match(timestamp):
        raise Forged
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise Forged
    content = f"{webhook_id}.{timestamp}.".encode() + body
    given = [part[3:].encode() for part in signatures.split(" ") if part.startswith("v1,")]
    right = [b64encode(hmac.digest(_key(secret), content, hashlib.sha256)) for secret in source.secrets]
    if not any(hmac.compare_digest(mine, theirs) for mine in right for theirs in given):
        raise Forged
    return webhook_id


def read(source: CallbackSource, webhook_id: str, body: bytes, now: datetime) -> CommerceReceived:
    """Turn a verified callback into its fact. The same id of the same source gives the same fact id.

    Raises:
        Malformed: the body is not `{type, timestamp, data}`.
    """
    try:
        content = _Body.model_validate_json(body)
    except ValidationError as error:
        raise Malformed("; ".join(_pointers(error))) from None
    return CommerceReceived(
        id=f"cbk_{stable_uuid('callback', source.slug, webhook_id).hex}",
        type=content.type,
        kind=source.kind,
        source=source.slug,
        channel=source.channel,
        customer_key=_customer(content.data),
        occurred_at=content.timestamp,
        received_at=now,
        data=content.data,
    )


def _customer(data: dict[str, Any]) -> str | None:
    for name in CUSTOMER_FIELDS:
        value = data.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value):
            return str(value)
    return None


def _pointers(error: ValidationError) -> list[str]:
    places = {problem["loc"][0] for problem in error.errors() if problem["loc"]}
    return sorted(f"/{place}" for place in places & {"type", "timestamp", "data"})


def _key(secret: SecretStr) -> bytes:
    text = secret.get_secret_value()
    try:
        return b64decode(text.removeprefix(SECRET_PREFIX), validate=True) if text.startswith(SECRET_PREFIX) else b""
    except Base64Error:
        return b""
