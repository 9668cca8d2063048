"""Settings of a process: read once from the environment, frozen, passed in, never read at import."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

BAD_SETTINGS_EXIT = 2
"""Exit status of a process whose settings are wrong: a supervisor must not retry it as if it had crashed."""


def _base_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    return value.rstrip("/")


def _servers(value: str) -> str:
    for server in value.split(","):
        host, _, port = server.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("must be host:port, or several of them with commas between")
    return value


def _mongo(value: str) -> str:
    if not value.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("must start with mongodb:// or mongodb+srv://")
    return value


def _readable(value: Path) -> Path:
    if not value.is_file():
        raise ValueError("names no file that can be read")
    return value


BaseUrl = Annotated[str, AfterValidator(_base_url)]
KafkaServers = Annotated[str, AfterValidator(_servers)]
MongoUrl = Annotated[str, AfterValidator(_mongo)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]
Port = Annotated[int, Field(ge=0, le=65535)]


class KafkaAccess(BaseSettings):
    """How Kafka lets a process in; the words are Kafka's own."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_ca_file: ReadableFile | None = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password_file: ReadableFile | None = None

    @model_validator(mode="after")
    def _has_user(self) -> Self:
        user = self.kafka_sasl_username and self.kafka_sasl_password_file
        if self.kafka_security_protocol.startswith("SASL") and not user:
            raise ValueError("SASL needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE")
        return self


class ServiceSettings(KafkaAccess):
    """What every process needs (design §12); a service adds its own fields in its `settings.py`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    kafka_url: KafkaServers
    host: str = "127.0.0.1"
    port: Port
    ops_port: Port
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"


class StoreSettings(ServiceSettings):
    """A service that owns a database and answers staff."""

    mongo_url: MongoUrl
    mongo_database: str | None = None
    channels_file: ReadableFile
    admin_keys_file: ReadableFile
    group_instance_id: str | None = None


class LineSettings(BaseSettings):
    """Where LINE is: the real one by default, a stand-in by setting."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    line_api_url: BaseUrl = "https://api.line.me"
    line_data_url: BaseUrl = "https://api-data.line.me"
    line_login_url: BaseUrl = "https://access.line.me"


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def describe_problems(error: ValidationError) -> str:
    """Say which variables are wrong and why, a line each, without showing any value."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in problem["loc"]).upper() or "settings"
        why = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        lines.append(f"  {name}: {why}")
    return "\n".join(lines)


def load_settings(kind: type[SettingsT], service: str) -> SettingsT:
    """Read the settings of a process, or end it with status 2 and a line for each wrong or missing one."""
    try:
        return kind()
    except ValidationError as error:
        text = f"{service} cannot start: wrong settings in its environment\n{describe_problems(error)}\n"
        sys.stderr.write(text)
        raise SystemExit(BAD_SETTINGS_EXIT) from None
