"""Importing is free: no module of the house opens, starts or connects anything before it is asked to (design §4)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shared", "services", "simulator")

IMPORT_ALL = """
import asyncio, importlib, sys, threading

built = []

def note(event, arguments):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork"}:
        built.append(f"{module}: {event}")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        built.append(f"{module}: writes {arguments[0]}")

def forbidden(what):
    def call(*_, **__):
        built.append(f"{module}: {what}")
        raise RuntimeError(what)
    return call

sys.dont_write_bytecode = True
sys.addaudithook(note)
threading.Thread.start = forbidden("starts a thread")
asyncio.new_event_loop = forbidden("makes an event loop")
sys.path[:0] = [sys.argv[1]]
for module in sys.argv[2:]:
    importlib.import_module(module)
print(*dict.fromkeys(built), sep="\\n", end="")
"""


def modules(root: Path) -> list[str]:
    paths = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    named = [path.relative_to(root).with_suffix("") for path in paths]
    return [".".join(path.parts) for path in named if not {"tests", "testing", "__main__"} & set(path.parts)]


def built_by_importing(root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(root), *modules(root)],
        capture_output=True,
        text=True,
        env={"PATH": "", "PYTHONPATH": ""},
        cwd=root,
        check=False,
    )
    return done.stdout if done.returncode == 0 else done.stderr


def test_importing_everything_builds_nothing_and_needs_no_settings() -> None:
    assert len(modules(ROOT)) > 100
    assert built_by_importing(ROOT) == ""


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import threading\nthreading.Thread(target=print).start()", "starts a thread"),
        ("import asyncio\nasyncio.new_event_loop()", "makes an event loop"),
        ("import socket\nwith socket.socket() as s:\n    s.bind(('127.0.0.1', 0))", "socket.bind"),
        ("import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])", "subprocess.Popen"),
        ("open('made', 'w').close()", "writes made"),
        ("import os\nos.environ['KAFKA_URL']", "KAFKA_URL"),
    ],
)
def test_a_planted_break_is_found(code: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "eager.py").write_text(code + "\n", encoding="utf-8")

    assert found in built_by_importing(tmp_path)
