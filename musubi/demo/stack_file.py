"""Where everything of the running stack is, from stack.json, read again where processes may have come or gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy.local.stack import stack_facts
from shared.channels import Channels, load_channels


class StackFile:
    """stack.json of the stack the story is played on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def facts(self) -> dict[str, Any]:
        """Its content as it is now.

        Raises:
            StackError: no stack is up there.
        """
        return stack_facts(self.path)

    def api(self, service: str) -> str:
        """Base URL of the API of a service's first process."""
        return str(self.facts["services"][service]["api"])

    def ops(self, service: str) -> list[str]:
        """Base URLs of the ops ports of all processes of a service."""
        return [replica["ops"] for replica in self.facts["replicas"][service]]

    @property
    def control(self) -> str:
        """Base URL of the stand-in's control API."""
        return str(self.facts["line"]["control"])

    @property
    def admin_key(self) -> str:
        """The key for the services' APIs."""
        return Path(self.facts["admin_key_file"]).read_text(encoding="utf-8").strip()

    @property
    def channels(self) -> Channels:
        """The accounts."""
        return load_channels(Path(self.facts["channels_file"]))
