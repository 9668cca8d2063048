"""LINE Login: whether an ID token that a browser sent is a user's (LINE platform §7.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from shared.line.answers import Answer, error_message, failure, reading
from shared.line.outcomes import Failure
from shared.line.transport import Call, Transport


@dataclass(frozen=True, slots=True)
class VerifiedUser:
    """A user LINE vouches for; `user_id` is the webhook's only where both channels have the same provider."""

    user_id: str = field(repr=False)
    name: str | None = field(default=None, repr=False)
    picture: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class InvalidIdToken:
    """The token proves nothing; `reason` is LINE's, such as `IdToken expired.`"""

    reason: str


class Login:
    """Verifies ID tokens with LINE."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def verify_id_token(
        self, channel: str, id_token: str, *, nonce: str | None = None
    ) -> VerifiedUser | InvalidIdToken | Failure:
        """Return the user of an ID token made for this account's LINE Login channel.

        Raises:
            ValueError: the account has no `login_channel_id`.
        """
        login_channel_id = self._transport.channels[channel].login_channel_id
        if login_channel_id is None:
            raise ValueError(f"channel {channel} has no login_channel_id in the channels file")
        form = {"id_token": id_token, "client_id": login_channel_id} | ({} if nonce is None else {"nonce": nonce})
        call = Call(
            "verify_id_token",
            "POST",
            f"{self._transport.api_url}/oauth2/v2.1/verify",
            None,
            urlencode(form).encode(),
            "application/x-www-form-urlencoded",
        )
        return await self._transport.perform(call, _verdict(login_channel_id))


def _verdict(login_channel_id: str) -> Callable[[Answer], VerifiedUser | InvalidIdToken | Failure]:
    def verified(fields: dict[str, Any]) -> VerifiedUser | InvalidIdToken:
        if fields["aud"] != login_channel_id:
            return InvalidIdToken("Invalid IdToken Audience.")
        if not isinstance(fields["sub"], str) or not fields["sub"]:
            raise TypeError("sub is no text")
        return VerifiedUser(fields["sub"], fields.get("name"), fields.get("picture"), fields.get("email"))

    def read(answer: Answer) -> VerifiedUser | InvalidIdToken | Failure:
        if answer.ok:
            return reading(verified)(answer)
        return InvalidIdToken(error_message(answer)) if answer.status == 400 else failure(answer)

    return read
