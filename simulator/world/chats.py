"""What stands in a chat between an account and a user, group or multi-person chat."""

from __future__ import annotations

from typing import Any, NamedTuple

KEPT_LINES = 200
"""How many of a chat's newest lines are kept."""


class ChatLine(NamedTuple):
    """One bubble or notice. `message` is a message object, of the user (webhook form) or of the account (API form)."""

    at: float
    sender: str
    """`bot`, a user id, or `notice` for what LINE itself would show."""
    message: dict[str, Any]
    message_id: str
    request_id: str | None = None

    def shown(self) -> dict[str, Any]:
        """Return the line as JSON: times in UNIX milliseconds."""
        line = {"at": int(self.at * 1000), "from": self.sender, "id": self.message_id, "message": self.message}
        if self.request_id:
            line["requestId"] = self.request_id
        return line


class Chat:
    """The newest lines of one chat."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines: list[ChatLine] = []

    def add(self, line: ChatLine) -> None:
        """Append a line; lines beyond `KEPT_LINES` fall away, a batch at a time."""
        self.lines.append(line)
        if len(self.lines) > KEPT_LINES + 50:
            del self.lines[:-KEPT_LINES]

    def newest(self) -> list[dict[str, Any]]:
        """Return the newest lines, oldest first."""
        return [line.shown() for line in self.lines[-KEPT_LINES:]]

    def find(self, message_id: str) -> ChatLine | None:
        """Return the line with this message id, if it is still kept."""
        return next((line for line in reversed(self.lines) if line.message_id == message_id), None)

    def drop(self, message_id: str) -> None:
        """Remove a line, as an unsend does on every screen."""
        self.lines = [line for line in self.lines if line.message_id != message_id]


class Friendship:
    """How one user stands to one account."""

    __slots__ = ("added", "added_at", "blocked", "chat", "last_wrote_at", "rich_menu_id")

    def __init__(self) -> None:
        self.added = False
        self.blocked = False
        self.added_at: float | None = None
        self.last_wrote_at: float | None = None
        self.rich_menu_id: str | None = None
        self.chat = Chat()

    @property
    def is_friend(self) -> bool:
        """Whether the account may address the user: added and not blocked."""
        return self.added and not self.blocked

    @property
    def state(self) -> str:
        """One of `stranger`, `friend`, `blocked`."""
        if self.blocked:
            return "blocked"
        return "friend" if self.added else "stranger"


class Group:
    """A group or multi-person chat ("room") that the account may be a member of."""

    __slots__ = ("bot_in", "chat", "group_id", "kind", "members", "name")

    def __init__(self, group_id: str, kind: str, name: str) -> None:
        self.group_id = group_id
        self.kind = kind
        self.name = name
        self.members: dict[str, None] = {}
        self.bot_in = False
        self.chat = Chat()

    def source(self, user_id: str | None = None) -> dict[str, str]:
        """Return the `source` of an event in this chat."""
        source = {"type": self.kind, f"{self.kind}Id": self.group_id}
        if user_id:
            source["userId"] = user_id
        return source
