"""Ingest's environment (design §12). It owns no database."""

from __future__ import annotations

from shared.settings import BaseUrl, LineSettings, Port, ReadableFile, ServiceSettings


class IngestSettings(ServiceSettings, LineSettings):
    """What ingest needs."""

    port: Port = 8000
    ops_port: Port = 9000
    channels_file: ReadableFile
    callbacks_file: ReadableFile
    link_key_file: ReadableFile
    public_url: BaseUrl
    """Where people reach this service; https makes its cookie secure."""
    liff_url: BaseUrl = "https://liff.line.me"
    liff_sdk_url: BaseUrl = "https://static.line-scdn.net/liff/edge/2/sdk.js"
    line_me_url: BaseUrl = "https://line.me"
    """Where LINE's add-friend addresses are."""
