"""The LINE client of a process: one for all channels, all capabilities over one session."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry

from shared.channels import Channels
from shared.clock import Now, utcnow
from shared.line.account import Account
from shared.line.content import Content
from shared.line.login import Login
from shared.line.narrowcasts import Narrowcasts
from shared.line.richmenus import RichMenus
from shared.line.sending import Sending
from shared.line.transport import Patience, Transport
from shared.line.users import Users
from shared.settings import LineSettings


class LineClient:
    """Calls LINE for every configured channel; enter it (`async with`) in the process's event loop.

    Args:
        settings: where LINE is.
        channels: the accounts with their access tokens.
        registry: where the metrics go.
        patience: time limits of a call that sets none of its own.
        connections: how many calls may be under way at once; more wait, at most `patience.connect`.
        now: the clock that ages reply tokens and retry keys.
    """

    def __init__(
        self,
        settings: LineSettings,
        channels: Channels,
        registry: CollectorRegistry,
        *,
        patience: Patience | None = None,
        connections: int = 100,
        now: Now = utcnow,
    ) -> None:
        self._transport = Transport(settings, channels, registry, patience or Patience(), connections)
        self.sending = Sending(self._transport, now)
        self.narrowcasts = Narrowcasts(self._transport)
        self.users = Users(self._transport)
        self.menus = RichMenus(self._transport)
        self.content = Content(self._transport)
        self.account = Account(self._transport)
        self.login = Login(self._transport)

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()
