"""The command line: what it takes, and what it says when it cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer

from deploy.docker import engine
from deploy.local.errors import StackError
from deploy.local.paths import Home
from musubi.commands import stack
from musubi.commands.stack import replica_counts


def test_replicas_come_from_make_variables_and_options() -> None:
    assert replica_counts([], {"BINDING": "3", "PATH": "/bin"}) == {"binding": 3}
    assert replica_counts(["insights=2"], {"INSIGHTS": "3"}) == {"insights": 2}


@pytest.mark.parametrize("option", ["cinema=2", "binding=0", "binding=13", "binding=many", "binding"])
def test_what_cannot_be_started_is_refused(option: str) -> None:
    with pytest.raises(typer.BadParameter):
        replica_counts([option], {})


def test_status_of_a_stack_that_is_down_says_how_to_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STACK", raising=False)
    monkeypatch.setattr(stack, "HOME", Home(tmp_path))
    with pytest.raises(StackError, match="make up"):
        stack.status()


def test_an_unknown_stack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK", "podman")
    with pytest.raises(StackError, match=r"`local`.*or `docker`"):
        engine.wanted()


def test_docker_is_asked_for_only_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(StackError, match="plain `make up` needs no Docker"):
        engine.check_engine()
