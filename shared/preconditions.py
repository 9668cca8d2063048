"""What a request says about repeats and versions: `If-Match` on edits, `Idempotency-Key` on sends (design §9, §12)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends
from starlette.requests import Request

from shared.auth import Principal
from shared.ids import stable_uuid
from shared.problems import Problem

_ETAG = re.compile(r'(?:W/)?"([0-9]{1,18})"')
_KEY = re.compile(r"[!-~]{1,128}")


def etag(version: int) -> str:
    """Return the entity tag of an object's version."""
    return f'"{version}"'


def if_match(request: Request) -> int:
    """Return the version an edit was made for.

    Raises:
        Problem: 428 without the header, 412 where it is no tag of ours.
    """
    given = request.headers.get("if-match")
    if given is None:
        raise Problem("precondition-required", "send the ETag you read as If-Match")
    match = _ETAG.fullmatch(given.strip())
    if match is None:
        raise Problem("precondition-failed", "the If-Match is no ETag of this object: read it again")
    return int(match[1])


def check_version(expected: int, version: int) -> None:
    """Refuse an edit made for another version.

    Raises:
        Problem: 412.
    """
    if expected != version:
        raise Problem("precondition-failed", "someone changed it since: read it again", headers={"etag": etag(version)})


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's own name for a request: the same name again is the same request, whatever became of the first."""

    text: str

    def object_id(self, prefix: str, principal: Principal, *scope: str) -> str:
        """Return the id of what the request makes: one for a caller, key and scope, so that a repeat finds it."""
        return f"{prefix}_{stable_uuid('idempotency', principal.id, self.text, *scope).hex}"


def idempotency_key(request: Request) -> IdempotencyKey:
    """Return the request's Idempotency-Key.

    Raises:
        Problem: 400 without one, or where it is longer than 128 visible ASCII characters.
    """
    given = request.headers.get("idempotency-key", "")
    if not _KEY.fullmatch(given):
        raise Problem("bad-request", "send an Idempotency-Key of 1 to 128 visible characters: the same one on a retry")
    return IdempotencyKey(given)


def body_digest(body: Any) -> str:
    """Return a short digest of a request's parsed body, to tell a repeat from another request under the same key."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def same_request(stored_digest: str, digest: str) -> None:
    """Refuse a key that was used for another request.

    Raises:
        Problem: 422.
    """
    if stored_digest != digest:
        raise Problem("invalid", "this Idempotency-Key was used with another body: take a new key")


Expected = Annotated[int, Depends(if_match)]
"""A route's parameter: the version named by If-Match."""
Idempotency = Annotated[IdempotencyKey, Depends(idempotency_key)]
"""A route's parameter: the request's Idempotency-Key."""
