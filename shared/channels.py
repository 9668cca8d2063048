"""The official accounts Musubi serves, read from CHANNELS_FILE (design §12)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
)

Slug = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


class BadFile(ValueError):
    """A configuration file does not hold what it must; the text says where and what, and no value."""


class RichMenus(BaseModel):
    """Rich menu ids by bound state; an absent one means: unlink, LINE shows the account's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bound: str | None = None
    unbound: str | None = None


class Greetings(BaseModel):
    """Texts binding answers with; `{name}` becomes the friend's display name. An absent text means silence.

    `linked` must say how to unlink: LINE asks for it when accounts are linked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    new: Annotated[str, Field(max_length=5000)] | None = None
    returning: Annotated[str, Field(max_length=5000)] | None = None
    linked: Annotated[str, Field(max_length=5000)] | None = None
    link_failed: Annotated[str, Field(max_length=5000)] | None = None


class Channel(BaseModel):
    """One LINE Official Account."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    slug: Slug
    name: str
    destination: Annotated[str, Field(pattern="^U[0-9a-f]{32}$")]
    basic_id: Annotated[str, Field(pattern="^@")]
    premium_id: str | None = None
    channel_secret: SecretStr
    previous_channel_secret: SecretStr | None = None
    previous_secret_until: AwareDatetime | None = None
    access_token: SecretStr
    login_channel_id: str | None = None
    liff_id: str | None = None
    timezone: str
    language: str
    rich_menus: RichMenus = RichMenus()
    greetings: Greetings = Greetings()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is no IANA time zone, such as Asia/Taipei")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.timezone)

    def webhook_secrets(self, now: datetime) -> list[bytes]:
        """Return the secrets a webhook may be signed with: the current one, the previous one while its window lasts."""
        secrets = [self.channel_secret.get_secret_value().encode()]
        until = self.previous_secret_until
        if self.previous_channel_secret is not None and (until is None or now < until):
            secrets.append(self.previous_channel_secret.get_secret_value().encode())
        return secrets

    @property
    def add_friend_url(self) -> str:
        """LINE's address that opens the add-friend screen (LINE URL scheme `R/ti/p`)."""
        return f"https://line.me/R/ti/p/{self.premium_id or self.basic_id}"


class Channels:
    """The accounts by slug and by destination."""

    def __init__(self, channels: list[Channel]) -> None:
        self._by_slug = {channel.slug: channel for channel in channels}
        for what, distinct in (("slug", len(self._by_slug)), ("destination", len({c.destination for c in channels}))):
            if distinct != len(channels):
                raise BadFile(f"two channels have the same {what}")

    def get(self, slug: str) -> Channel | None:
        """Return the account, or None where no account has that slug."""
        return self._by_slug.get(slug)

    def __getitem__(self, slug: str) -> Channel:
        return self._by_slug[slug]

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._by_slug.values())

    def __len__(self) -> int:
        return len(self._by_slug)


def load_yaml_list(path: Path, kind: type[BaseModel]) -> list[BaseModel]:
    """Read a YAML list of one model.

    Raises:
        BadFile: with the file's name, the entry, the field and the rule, never a value (files hold secrets).
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path.name}: cannot be read: {error.__class__.__name__}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadFile(f"{path.name}: no valid YAML" + (f" near line {mark.line + 1}" if mark else "")) from None
    try:
        return TypeAdapter(list[kind]).validate_python(content)  # type: ignore[valid-type]
    except ValidationError as error:
        problems = (
            f"entry {'.'.join(str(part) for part in problem['loc']) or '-'}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise BadFile(f"{path.name}: {'; '.join(problems)}") from None


def load_channels(path: Path) -> Channels:
    """Read CHANNELS_FILE.

    Raises:
        BadFile: says which entry and field is wrong.
    """
    channels = [entry for entry in load_yaml_list(path, Channel) if isinstance(entry, Channel)]
    return Channels(channels)
