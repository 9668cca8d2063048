"""Ports on the loopback: the default, or the next free one, remembered so that addresses stay the same."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

LOOPBACK = "127.0.0.1"
# Below the range from which systems lend ports to outgoing connections, so that a port stays free over a restart.
ANY_PORT = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Say whether a program could listen on the port, on the loopback and on every address."""
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return False
    for host in (LOOPBACK, ""):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def free_port(but: Collection[int] = ()) -> int:
    """Return any free port, outside `but`."""
    return next(port for port in iter(lambda: random.choice(ANY_PORT), None) if port not in but and is_free(port))


class Ports:
    """The ports of one stack by name, kept in a JSON file."""

    def __init__(self, file: Path, *, anywhere: bool = False, reserved: Collection[int] = ()) -> None:
        """Read the ports chosen before.

        `anywhere` picks any free port instead of counting up from the default; counting up passes over `reserved`.
        """
        self._file = file
        self._anywhere = anywhere
        self._reserved = set(reserved)
        self._chosen: dict[str, int] = json.loads(file.read_text()) if file.is_file() else {}
        self.moved: dict[str, tuple[int, int]] = {}
        """Name → (port that is taken by another program, port chosen instead)."""

    def choose(self, name: str, default: int, *, running: bool = False) -> int:
        """Return the port of `name`: the remembered one, else the default, else the next free one.

        With `running`, the process itself holds its remembered port, which is then not looked at.
        """
        remembered = self._chosen.get(name)
        if remembered is not None and (running or is_free(remembered)):
            return remembered
        wanted = remembered or next(self._candidates(default))
        port = free_port(set(self._chosen.values())) if self._anywhere else self._next_free(default)
        if not self._anywhere and port != wanted:
            self.moved[name] = (wanted, port)
        self._chosen[name] = port
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._chosen, indent=2) + "\n")
        return port

    def _next_free(self, default: int) -> int:
        return next(port for port in self._candidates(default) if is_free(port))

    def _candidates(self, default: int) -> Iterator[int]:
        """Count up from the default, past what other processes have or have by default."""
        held = set(self._chosen.values())
        passed_over = held | (self._reserved - {default})
        return (port for port in range(default, 65_536) if port not in passed_over)
