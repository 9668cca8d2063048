"""Everything the stand-in knows, in memory."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import Any

from shared.channels import load_channels
from simulator.settings import SimulatorSettings
from simulator.world.accepts import AcceptLog
from simulator.world.access import AccessTokens
from simulator.world.account import Account
from simulator.world.chats import ChatLine
from simulator.world.content import ContentStore
from simulator.world.faults import Faults
from simulator.world.feed import Feed
from simulator.world.people import Population
from simulator.world.tokens import LinkTokens, LoginTokens, ReplyTokens


class World:
    """The accounts, the people, and what LINE hands out and remembers."""

    def __init__(self, settings: SimulatorSettings, now: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.now = now
        channels = load_channels(settings.channels_file)
        self.accounts = {channel.slug: Account(channel, settings.webhook_base_url, now) for channel in channels}
        self.people = Population(settings.seed)
        self.access = AccessTokens(now)
        for account in self.accounts.values():
            self.access.add_static(account.static_token, account.slug)
        self.reply_tokens = ReplyTokens(now)
        self.link_tokens = LinkTokens(now)
        self.login = LoginTokens(now)
        self.content = ContentStore(now)
        self.accepts = AcceptLog(settings.accept_log_size)
        self.faults = Faults()
        self.feed = Feed()
        self.rate_factor = settings.rate_limits
        self._last_message_id = 0

    def millis(self) -> int:
        """The present moment in UNIX milliseconds."""
        return int(self.now() * 1000)

    def message_id(self) -> str:
        """Make a message id: digits that grow with time."""
        self._last_message_id = max(self._last_message_id + 1, self.millis() * 100_000)
        return str(self._last_message_id)

    def quote_token(self) -> str:
        """Make a quote token."""
        return secrets.token_urlsafe(32)

    def write(self, account: Account, chat_id: str, line: ChatLine) -> None:
        """Put a line into a chat and show it on the phones that have it open."""
        account.chat(chat_id).add(line)
        self.feed.tell(account.slug, chat_id, {"kind": "line", "line": line.shown()})

    def by_liff(self, liff_id: str) -> Account | None:
        """Return the account a LIFF app belongs to."""
        return next((account for account in self.accounts.values() if account.liff_id == liff_id), None)

    def by_public_id(self, public_id: str) -> Account | None:
        """Return the account with this basic or premium id (`@…`)."""
        return next(
            (account for account in self.accounts.values() if public_id in (account.basic_id, account.premium_id)), None
        )

    def by_login_channel(self, client_id: str) -> Account | None:
        """Return the account whose LINE Login channel this is."""
        return next((account for account in self.accounts.values() if account.login_channel_id == client_id), None)

    def reset(self) -> None:
        """Forget everything that happened; accounts, their tokens and endpoints stay."""
        for account in self.accounts.values():
            account.reset()
        self.people.clear()
        self.reply_tokens.clear()
        self.content.clear()
        self.accepts.clear()
        self.faults.clear()


def digest_of(data: bytes) -> str:
    """Return a short fingerprint of a request's message objects."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def news(kind: str, **facts: Any) -> dict[str, Any]:
    """Return a news item for the phone page."""
    return {"kind": kind, **facts}
