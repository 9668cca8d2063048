"""Ports: the default, the next free one when it is taken, the same ones next time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.ports import LOOPBACK, Ports, free_port, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((LOOPBACK, free_port()))
        other.listen()
        yield other.getsockname()[1]


def test_the_default_is_taken_where_it_is_free(tmp_path: Path) -> None:
    default = free_port()
    ports = Ports(tmp_path / "ports.json")
    assert ports.choose("ingest-1", default) == default
    assert ports.moved == {}


def test_a_taken_port_gives_the_next_free_one_and_says_so(tmp_path: Path, taken: int) -> None:
    ports = Ports(tmp_path / "ports.json")
    chosen = ports.choose("ingest-1", taken)
    assert chosen > taken
    assert is_free(chosen)
    assert ports.moved == {"ingest-1": (taken, chosen)}


def test_the_chosen_port_is_remembered_without_saying_it_again(tmp_path: Path, taken: int) -> None:
    first = Ports(tmp_path / "ports.json").choose("ingest-1", taken)
    again = Ports(tmp_path / "ports.json")
    assert again.choose("ingest-1", taken) == first
    assert again.moved == {}


def test_a_running_process_keeps_the_port_it_holds(tmp_path: Path, taken: int) -> None:
    file = tmp_path / "ports.json"
    file.write_text(f'{{"ingest-1": {taken}}}')
    assert Ports(file).choose("ingest-1", 8000, running=True) == taken


def test_two_processes_never_get_one_port(tmp_path: Path) -> None:
    default = free_port()
    ports = Ports(tmp_path / "ports.json")
    assert ports.choose("binding-1", default) != ports.choose("binding-2", default)
    # The second replica was not moved by another program, so nothing is said about it.
    assert ports.moved == {}


def test_a_port_held_on_every_address_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        assert not is_free(other.getsockname()[1])


def test_a_moved_process_does_not_take_the_default_of_another(tmp_path: Path, taken: int) -> None:
    ports = Ports(tmp_path / "ports.json", reserved=range(taken, taken + 6))
    assert ports.choose("ingest-1", taken) >= taken + 6
