"""Errors of the HTTP APIs as RFC 9457 problem details (design §12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

TITLES = {
    "bad-request": (400, "The request is malformed"),
    "bad-signature": (401, "The signature is missing or wrong"),
    "unauthorised": (401, "A valid key is needed"),
    "forbidden": (403, "This role may not do that"),
    "not-found": (404, "There is no such thing here"),
    "method-not-allowed": (405, "This method is not allowed here"),
    "timeout": (408, "The body took too long to arrive"),
    "conflict": (409, "This conflicts with what is stored"),
    "gone": (410, "This was here and is gone for good"),
    "precondition-failed": (412, "The object has changed since it was read"),
    "too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body has the wrong media type"),
    "invalid": (422, "Some fields are not valid"),
    "precondition-required": (428, "The request must name the version it edits"),
    "internal": (500, "Something went wrong on our side"),
    "too-slow": (503, "This takes longer than it may"),
    "unavailable": (503, "A server this needs cannot be reached now"),
}


class Problem(Exception):
    """An error to answer with: raised by a route, turned into a problem document by the chassis."""

    def __init__(
        self,
        slug: str,
        detail: str = "",
        *,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{slug}: {detail}")
        self.slug = slug
        self.detail = detail
        self.errors = errors
        self.headers = headers

    @property
    def status(self) -> int:
        """The HTTP status."""
        return TITLES[self.slug][0]


def problem_response(problem: Problem, request_id: str) -> Response:
    """Turn a problem into its response, with the request's id for the person who asks for help."""
    status, title = TITLES[problem.slug]
    body: dict[str, Any] = {
        "type": f"/problems/{problem.slug}",
        "title": title,
        "status": status,
        "request_id": request_id,
    }
    if problem.detail:
        body["detail"] = problem.detail
    if problem.errors:
        body["errors"] = problem.errors
    headers = {"x-request-id": request_id, **(problem.headers or {})}
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)
