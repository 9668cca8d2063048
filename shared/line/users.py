"""People as LINE knows them: profiles, followers, link tokens (LINE platform §2.9, §7.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from shared.line.answers import reading, reading_or_absent
from shared.line.outcomes import Failure
from shared.line.transport import Call, Transport

MOST_FOLLOWERS = 1000


@dataclass(frozen=True, slots=True)
class Profile:
    """What a user shows to the account; `language` only with the user's consent."""

    user_id: str = field(repr=False)
    display_name: str = field(repr=False)
    language: str | None = None
    picture_url: str | None = field(default=None, repr=False)
    status_message: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FollowersPage:
    """User ids and the token of the next page; a page may be short although there is a next one."""

    user_ids: tuple[str, ...] = field(repr=False)
    next_token: str | None = None


@dataclass(frozen=True, slots=True)
class LinkToken:
    """A token for LINE's account link: 10 minutes, one use."""

    token: str = field(repr=False)


class Users:
    """Reads users and starts account links."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def profile(self, channel: str, user_id: str) -> Profile | Failure | None:
        """Return a profile; None where LINE shows none: never a friend, blocked, deleted, no consent."""
        url = f"{self._transport.api_url}/v2/bot/profile/{quote(user_id, safe='')}"
        return await self._transport.perform(Call("profile", "GET", url, channel), reading_or_absent(_profile))

    async def followers(
        self, channel: str, *, start: str | None = None, limit: int = MOST_FOLLOWERS
    ) -> FollowersPage | Failure:
        """Return a page of friends' user ids (LINE: verified and premium accounts only, else 403).

        Args:
            channel: the account's slug.
            start: token of the page, good for 24 h; None for the first.
            limit: 1 to 1,000.
        """
        query = {"limit": str(limit)} | ({} if start is None else {"start": start})
        url = f"{self._transport.api_url}/v2/bot/followers/ids?{urlencode(query)}"
        return await self._transport.perform(Call("followers", "GET", url, channel), reading(_followers))

    async def issue_link_token(self, channel: str, user_id: str) -> LinkToken | Failure:
        """Issue a token with which a user can link an account of ours; asking twice makes two tokens."""
        url = f"{self._transport.api_url}/v2/bot/user/{quote(user_id, safe='')}/linkToken"
        call = Call("issue_link_token", "POST", url, channel)
        return await self._transport.perform(call, reading(lambda fields: LinkToken(_text(fields["linkToken"]))))


def _profile(fields: dict[str, Any]) -> Profile:
    return Profile(
        _text(fields["userId"]),
        _text(fields["displayName"]),
        fields.get("language"),
        fields.get("pictureUrl"),
        fields.get("statusMessage"),
    )


def _followers(fields: dict[str, Any]) -> FollowersPage:
    return FollowersPage(tuple(_text(each) for each in fields["userIds"]), fields.get("next"))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
