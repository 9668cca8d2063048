"""LINE's error answers (REF "Error responses", "Error messages")."""

from __future__ import annotations

from typing import Any

RATE_LIMITED = "The API rate limit has been exceeded. Try again later."
QUOTA_EXHAUSTED = "You have reached your monthly limit."
TOO_MANY_CONCURRENT = (
    "The number of requests has exceeded the limit. Exceeded the limit on the number of concurrent operations."
)
SAME_USER = "The number of requests has exceeded the limit. A large number of messages were sent to the same user."


class LineError(Exception):
    """An answer that refuses the call; nothing was done."""

    def __init__(
        self,
        status: int,
        message: str,
        details: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.extra = extra or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON body; LINE leaves empty details out."""
        shown: dict[str, Any] = {"message": self.message}
        if self.details:
            shown["details"] = self.details
        return shown | self.extra


class OAuthError(Exception):
    """OAuth endpoints answer in their own form."""

    def __init__(self, description: str, error: str = "invalid_request", status: int = 400) -> None:
        super().__init__(description)
        self.description = description
        self.error = error
        self.status = status


def body_errors(*details: tuple[str, str]) -> LineError:
    """Return a 400 for problems in the body, each as (message, property)."""
    listed = [{"message": message, "property": where} for message, where in details]
    return LineError(400, f"The request body has {len(listed)} error(s)", listed)


def bad_property(where: str) -> LineError:
    """Return the 400 for a property of the wrong form."""
    return LineError(400, f"The property, '{where}', in the request body is invalid (line: -, column: -)")


def bad_parameter(name: str) -> LineError:
    """Return the 400 for a path or query parameter of the wrong form."""
    return LineError(400, f"The value for the '{name}' parameter is invalid")


def not_found(message: str = "Not found") -> LineError:
    """Return a 404."""
    return LineError(404, message)
