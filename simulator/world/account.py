"""One official account as LINE holds it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from shared.channels import Channel
from simulator.world.chats import Chat, Friendship, Group
from simulator.world.limits import AggregationUnits, DayCounts, Quota, RateLimits, RetryKeys
from simulator.world.people import Person
from simulator.world.richmenus import RichMenus, guest_menu, member_menu


def _ten_digits(*parts: str) -> str:
    return "2" + str(int(hashlib.sha256("/".join(parts).encode()).hexdigest(), 16))[-9:]


class Account:
    """State and settings of one account; made from its entry in the channels file."""

    def __init__(self, channel: Channel, webhook_base_url: str, now: Callable[[], float]) -> None:
        self.slug = channel.slug
        self.name = channel.name
        self.destination = channel.destination
        self.basic_id = channel.basic_id
        self.premium_id = channel.premium_id
        self.secret = channel.channel_secret.get_secret_value()
        self.static_token = channel.access_token.get_secret_value()
        self.channel_id = _ten_digits("messaging", channel.destination)
        self.login_channel_id = channel.login_channel_id or _ten_digits("login", channel.destination)
        self.liff_id = channel.liff_id or f"{self.login_channel_id}-{self.destination[1:9]}"
        self.webhook_endpoint = f"{webhook_base_url}/webhook/{channel.slug}"
        self.liff_endpoint = f"{webhook_base_url}/liff/source"
        self.webhook_active = True
        self.is_premium = True
        self.chat_mode = "bot"
        self._menus = (channel.rich_menus.bound, channel.rich_menus.unbound, webhook_base_url)
        self._now = now
        self.limits = RateLimits(now)
        self.reset()

    def reset(self) -> None:
        """Go back to the first day: no friends, groups, counts; only the rich menus of the channels file."""
        self.friends: dict[str, Friendship] = {}
        self.reach: dict[str, None] = {}
        self.groups: dict[str, Group] = {}
        self.quota = Quota(self._now)
        self.retry_keys = RetryKeys(self._now)
        self.units = AggregationUnits(self._now)
        self.days = DayCounts(self._now)
        self.narrowcasts: dict[str, Any] = {}
        self.sendings: dict[str, Any] = {}
        self.audiences: dict[int, Any] = {}
        self.seen: dict[str, set[str]] = {}
        self.follower_pages: dict[str, tuple[list[str], int]] = {}
        self.limits.clear()
        self.menus = RichMenus()
        bound, unbound, base = self._menus
        if bound:
            self.menus.by_id[bound] = member_menu(bound, base)
        if unbound:
            self.menus.by_id[unbound] = guest_menu(unbound, base)

    def friendship(self, user_id: str) -> Friendship:
        """Return how a user stands to the account; a stranger's is made on first use."""
        known = self.friends.get(user_id)
        if known is None:
            known = self.friends[user_id] = Friendship()
        return known

    def chat(self, chat_id: str) -> Chat:
        """Return the chat with a user, group or multi-person chat."""
        group = self.groups.get(chat_id)
        return group.chat if group is not None else self.friendship(chat_id).chat

    def menu_of(self, user_id: str) -> str | None:
        """Return the rich menu the user sees: LINE shows the per-user one before the default."""
        friendship = self.friends.get(user_id)
        return self.menus.effective(friendship.rich_menu_id if friendship else None)

    def shown(self) -> dict[str, Any]:
        """Return what the control API tells about the account; no secret."""
        return {
            "slug": self.slug,
            "name": self.name,
            "destination": self.destination,
            "basic_id": self.basic_id,
            "channel_id": self.channel_id,
            "login_channel_id": self.login_channel_id,
            "liff_id": self.liff_id,
            "webhook_endpoint": self.webhook_endpoint,
            "liff_endpoint": self.liff_endpoint,
            "friends": len(self.reach),
            "rich_menus": [{"id": menu.menu_id, "name": menu.body.get("name")} for menu in self.menus.by_id.values()],
            "default_rich_menu": self.menus.default_id,
            "quota": {"limit": self.quota.limit, "used": self.quota.used},
        }


def may_receive(friendship: Friendship | None, now: float) -> bool:
    """Whether a push arrives. LINE: friends, and non-friends who wrote within the last seven days; never blockers."""
    if friendship is None or friendship.blocked:
        return False
    wrote = friendship.last_wrote_at
    return friendship.added or (wrote is not None and now - wrote <= 7 * 86400)


def shown_user(account: Account, person: Person) -> dict[str, Any]:
    """Return a user as the control API shows it to this account's testers."""
    friendship = account.friends.get(person.user_id)
    return {
        **person.profile(),
        "state": friendship.state if friendship else "stranger",
        "rich_menu": {
            "linked": friendship.rich_menu_id if friendship else None,
            "effective": account.menu_of(person.user_id),
        },
    }
