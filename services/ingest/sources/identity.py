"""Asking LINE who an ID token names: never trust an id that a browser sends (LINE Login: "Verify ID token")."""

from __future__ import annotations

import re

import aiohttp
import msgspec

from shared.channels import Channel

VERIFY_SECONDS = 2.0
MAX_ASKING = 64
MAX_ANSWER = 64 * 1024
_USER = re.compile(r"U[0-9a-f]{32}\Z")


class NotVouched(Exception):
    """LINE does not vouch for this token, or it was made for another channel."""


class LineUnreachable(Exception):
    """LINE gave no answer now."""


class _Payload(msgspec.Struct):
    sub: str
    aud: str


class LineIdentity:
    """Verifies ID tokens at LINE, a few at a time: anybody can send one here."""

    def __init__(self, session: aiohttp.ClientSession, line_api_url: str) -> None:
        self._session = session
        self._url = f"{line_api_url}/oauth2/v2.1/verify"
        self._asking = 0

    async def user_of(self, channel: Channel, id_token: str) -> str:
        """Return the LINE user id that a token of the account's login channel names.

        Raises:
            NotVouched: the token does not verify.
            LineUnreachable: no usable answer within two seconds, or too many are being asked.
        """
        if self._asking >= MAX_ASKING:
            raise LineUnreachable("busy")
        self._asking += 1
        try:
            status, answer = await self._ask({"id_token": id_token, "client_id": channel.login_channel_id or ""})
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise LineUnreachable(error.__class__.__name__) from None
        finally:
            self._asking -= 1
        return _read(status, answer, channel.login_channel_id)

    async def _ask(self, form: dict[str, str]) -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=VERIFY_SECONDS)
        async with self._session.post(self._url, data=form, timeout=timeout, allow_redirects=False) as response:
            return response.status, await response.content.read(MAX_ANSWER)


def _read(status: int, answer: bytes, login_channel: str | None) -> str:
    if status in {400, 401, 403}:
        raise NotVouched
    if status != 200:
        raise LineUnreachable(f"status {status}")
    try:
        payload = msgspec.json.decode(answer, type=_Payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise LineUnreachable("an answer of another kind") from None
    if payload.aud != login_channel or not _USER.match(payload.sub):
        raise NotVouched
    return payload.sub
