"""Each module of the chassis can be the first to be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SHARED = Path(__file__).parents[1]

IMPORT_EACH_AFRESH = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [module for module in sys.modules if module.split(".")[0] == "shared"]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""


def test_every_module_can_be_imported_first() -> None:
    files = [path for path in SHARED.rglob("*.py") if not {"tests", "testing"} & set(path.parts)]
    names = [".".join(path.relative_to(SHARED.parent).with_suffix("").parts) for path in files]

    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH_AFRESH, *sorted(names)],
        capture_output=True,
        text=True,
        cwd=SHARED.parent,
        check=False,
    )

    assert done.returncode == 0, done.stderr
