"""`musubi asyncapi`: the contracts of the topics as a document."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy.local.paths import CHECKOUT
from deploy.local.progress import people_console
from shared.asyncapi import render

DOCUMENT = CHECKOUT / "docs" / "asyncapi" / "musubi.yaml"


def asyncapi(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; status 1 where the file is stale.")] = False,
) -> None:
    """Write docs/asyncapi/musubi.yaml from the code."""
    text, name = render(), DOCUMENT.relative_to(CHECKOUT)
    fresh = DOCUMENT.is_file() and DOCUMENT.read_text(encoding="utf-8") == text
    if check and not fresh:
        people_console(stderr=True).out(f"{name} is stale: run `make asyncapi` and commit it")
        raise typer.Exit(1)
    if not fresh:
        DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
        DOCUMENT.write_text(text, encoding="utf-8")
    people_console().out(f"{name} is {'up to date' if fresh else 'written'}")
