"""`musubi backup` and `musubi restore`: what the services own, into a file and back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from deploy.local.errors import StackError
from deploy.local.keys import key_files
from deploy.local.progress import people_console
from deploy.local.stack import stack_facts
from musubi.backup.archive import Manifest, opened, writing
from musubi.backup.owned import SERVICES, Place
from musubi.backup.restoring import restore as bring_back
from musubi.backup.taking import back_up
from musubi.commands.stack import chosen_home
from shared.broker import KAFKA_TROUBLE
from shared.clock import utcnow
from shared.erasures import Erasures, load_erasure_key
from shared.mongo import Client, PyMongoError, connect

T = TypeVar("T")

ServicesOption = Annotated[list[str] | None, typer.Option("--service", help="Only this one; may be given again.")]
DatabasesOption = Annotated[
    list[str] | None, typer.Option("--database", help="binding=name, where a database has another name.")
]
GroupsOption = Annotated[
    list[str] | None, typer.Option("--group", help="insights=name, where a consumer group has another name.")
]


@dataclass(frozen=True)
class Servers:
    """Where Kafka and the store are, and what the databases and groups there are called."""

    kafka_url: str
    mongo_url: str
    databases: dict[str, str]
    groups: dict[str, str]

    def places(self, client: Client, services: Sequence[str]) -> list[Place]:
        """Return where these services' things are."""
        return [Place(name, client[self.databases.get(name, name)], self.groups.get(name, name)) for name in services]


def backup(
    to: Annotated[Path, typer.Option("--to", help="A folder, or the file to write.")],
    service: ServicesOption = None,
    database: DatabasesOption = None,
    group: GroupsOption = None,
) -> None:
    """Write what the services own into one file, while they run."""
    path = to / f"musubi-{utcnow():%Y%m%dT%H%M%SZ}.zip" if to.is_dir() else to
    servers = _servers(database, group)

    async def work(client: Client) -> Manifest:
        with writing(path) as archive:
            return await back_up(servers.places(client, _chosen(service)), servers.kafka_url, archive)

    manifest = _run(servers, work)
    for name, saved in manifest.services.items():
        documents = sum(part.documents for part in saved.parts)
        people_console().out(f"{name}: {documents} documents of {len(saved.parts)} collections")
    people_console().out(str(path))


def restore(
    file: Annotated[Path, typer.Argument(help="What `musubi backup` has written.")],
    service: ServicesOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Drop what the databases hold now.")] = False,
    erasure_key: Annotated[
        Path | None, typer.Option("--erasure-key", envvar="ERASURE_KEY_FILE", help="The local stack's own otherwise.")
    ] = None,
    database: DatabasesOption = None,
    group: GroupsOption = None,
) -> None:
    """Bring services back from a backup; they must not run. Start them afterwards: they read on from the backup."""
    servers = _servers(database, group)
    key = load_erasure_key(erasure_key or key_files(chosen_home()).erasure_key)
    console = people_console()
    with opened(file) as archive:
        chosen = _chosen(service or list(archive.manifest.services))

        async def work(client: Client) -> Any:
            erasures = Erasures(servers.kafka_url, key)
            places = servers.places(client, chosen)
            return await bring_back(archive, places, servers.kafka_url, erasures, replace=replace, say=console.out)

        done = _run(servers, work)
    for name, restored in done.items():
        console.out(f"{name}: {restored.documents} documents; {restored.records_again} records come again")
        for remark in restored.remarks:
            console.out(f"  {remark}")


def _chosen(services: Sequence[str] | None) -> Sequence[str]:
    unknown = [name for name in services or () if name not in SERVICES]
    if unknown:
        raise StackError(f"{unknown[0]!r} owns nothing; there are: {', '.join(SERVICES)}")
    return [name for name in SERVICES if not services or name in services]


def _servers(databases: list[str] | None, groups: list[str] | None) -> Servers:
    """Return the servers of the environment, else of the local stack."""
    kafka_url, mongo_url = os.environ.get("KAFKA_URL"), os.environ.get("MONGO_URL")
    facts: dict[str, Any] = {}
    if not kafka_url or not mongo_url:
        facts = stack_facts(chosen_home().stack_file)
    names = dict(facts.get("databases", {})) | _pairs(databases)
    return Servers(kafka_url or facts["kafka"], mongo_url or facts["mongo"], names, _pairs(groups))


def _pairs(texts: list[str] | None) -> dict[str, str]:
    pairs = {}
    for text in texts or []:
        name, _, value = text.partition("=")
        if name not in SERVICES or not value:
            raise StackError(f"{text!r} is not service=name; services are: {', '.join(SERVICES)}")
        pairs[name] = value
    return pairs


def _run(servers: Servers, work: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        client = connect(servers.mongo_url)
        try:
            return await work(client)
        finally:
            client.close()

    try:
        return asyncio.run(run())
    except KAFKA_TROUBLE as error:
        raise StackError(f"Kafka does not answer at {servers.kafka_url} ({error.__class__.__name__})") from None
    except PyMongoError as error:
        raise StackError(f"the store fails ({error.__class__.__name__})") from None
