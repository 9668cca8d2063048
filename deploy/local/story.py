"""The first story: `python -m musubi.demo` played once on a new stack, to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

from deploy.local.errors import StackError
from deploy.local.paths import CHECKOUT, Home

STACK_FILE = "MUSUBI_STACK_FILE"
"""Environment variable that tells the story which stack.json to play on."""


def play(home: Home, *arguments: str) -> int:
    """Play the story on a running stack and return its exit status: 0 where its report is clean.

    Raises:
        StackError: the stack is not up, or this checkout has no story.
    """
    if find_spec("musubi.demo") is None:
        raise StackError("this checkout has no story (musubi/demo)")
    if not home.stack_file.is_file():
        raise StackError("the stack is not up; `make up` starts it")
    environment = os.environ | {STACK_FILE: str(home.stack_file)}
    command = [sys.executable, "-m", "musubi.demo", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, check=False).returncode


def play_once(home: Home) -> bool:
    """Play the story unless it has been played to its end before. False where it was played and is not clean."""
    if home.story_marker.exists() or find_spec("musubi.demo") is None:
        return True
    clean = play(home) == 0
    if clean:
        home.story_marker.touch()
    return clean
