"""The stand-in's environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import BaseUrl, Port, ReadableFile


class SimulatorSettings(BaseSettings):
    """What the stand-in needs to play LINE for the accounts of one channels file."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    channels_file: ReadableFile
    host: str = "127.0.0.1"
    port: Port = 8010
    public_url: BaseUrl | None = None
    """Where browsers reach the stand-in, so that its pages know their user; `http://{host}:{port}` by default."""
    webhook_base_url: BaseUrl = "http://127.0.0.1:8000"
    """Where the accounts' webhooks go at first: `{webhook_base_url}/webhook/{slug}`."""
    browser_hosts: str = ""
    """Hosts, with commas between, that a stand-in user's browser may open besides loopback and the webhook host."""
    seed: str = "musubi"
    """Names the default crowd: the same seed makes the same people with the same ids."""
    rate_limits: Annotated[float, Field(ge=0)] = 1.0
    """Factor on LINE's rate limits; 0 switches them off."""
    redelivery: bool = True
    """Whether webhooks that got no 2xx are sent again (LINE: off until switched on in the console)."""
    webhook_concurrency: Annotated[int, Field(ge=1, le=1024)] = 128
    accept_log_size: Annotated[int, Field(ge=1)] = 1_000_000
    log_level: Annotated[str, Field(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
