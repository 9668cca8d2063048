"""The services' APIs as the command line calls them: of the running stack, or of any other by MUSUBI_API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from deploy.docker.engine import wanted
from deploy.local.errors import StackError
from deploy.local.paths import CONTAINER_HOME, DEFAULT_HOME, Home
from deploy.local.stack import stack_facts

CALL_SECONDS = 30.0

ApiOption = Annotated[
    str | None,
    typer.Option("--api", envvar="MUSUBI_API", help="Base URL of a service of another stack than the local one."),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", envvar="MUSUBI_KEY", show_envvar=True, help="Admin key; the local stack's own otherwise."),
]


class Refused(StackError):
    """A service answered with a problem; the text is the service's."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Api:
    """A service's API. `service` is None where an address was given without a name."""

    service: str | None
    url: str
    key: str

    def call(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the answer's JSON object.

        Raises:
            Refused: the service answered with a problem.
            StackError: it did not answer.
        """
        return asyncio.run(self._call(method, path, query, body))

    async def _call(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.key}"}
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
                session.request(method, self.url + path, params=query, json=body) as answer,
            ):
                content = await answer.json(content_type=None)
                status = answer.status
        except ValueError:
            raise StackError(f"{self.url} is no API of Musubi: it answered without JSON") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            name = self.service or "the service"
            raise StackError(f"{name} does not answer at {self.url} ({error.__class__.__name__})") from None
        if not isinstance(content, dict):
            raise StackError(f"{self.url} is no API of Musubi: it answered without a JSON object")
        if status >= 400:
            raise Refused(_words(content, status), status)
        return content


def _words(problem: dict[str, Any], status: int) -> str:
    """Turn a problem document into a line: title, detail, the wrong fields."""
    told = [str(problem.get("title", f"status {status}"))]
    if problem.get("detail"):
        told.append(str(problem["detail"]))
    told += [f"{entry.get('pointer')} {entry.get('detail')}" for entry in problem.get("errors", [])]
    return ": ".join(told)


def apis(service: str | None, url: str | None, key: str | None) -> list[Api]:
    """Return the APIs asked for: the one at `url`, else those of the local stack, all or of one service.

    Raises:
        StackError: no stack is up, no key is given, or the service is none of the stack's.
    """
    if url is not None:
        if key is None:
            raise StackError("a stack elsewhere needs a key: set MUSUBI_KEY, or give --key")
        return [Api(service, url.rstrip("/"), key)]
    home = Home(CONTAINER_HOME if wanted() else DEFAULT_HOME)
    facts: dict[str, Any] = stack_facts(home.stack_file)
    served = {name: addresses["api"] for name, addresses in facts.get("services", {}).items() if "api" in addresses}
    if service is not None and service not in served:
        raise StackError(f"{service!r} is no service with an API here; there are: {', '.join(served) or 'none'}")
    own = key or Path(facts["admin_key_file"]).read_text(encoding="utf-8").strip()
    return [Api(name, address, own) for name, address in served.items() if service in {None, name}]
