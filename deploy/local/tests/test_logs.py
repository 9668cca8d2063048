"""The logs of all processes side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.errors import StackError, last_lines
from deploy.local.logs import log_files, show_logs
from deploy.local.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Logs of three processes."""
    home = Home(tmp_path)
    for name in ("kafka", "binding-1", "binding-2"):
        home.log(name).write_text("".join(f"{name} line {number}\n" for number in range(100)))
    return home


def test_the_last_lines_of_each_carry_its_name(home: Home) -> None:
    shown: list[str] = []
    show_logs(log_files(home, None), 1, follow=False, say=shown.append)
    assert shown == [
        "binding-1 | binding-1 line 99",
        "binding-2 | binding-2 line 99",
        "kafka     | kafka line 99",
    ]


def test_a_service_means_all_its_replicas(home: Home) -> None:
    assert [file.stem for file in log_files(home, "binding")] == ["binding-1", "binding-2"]


def test_one_replica_can_be_named(home: Home) -> None:
    assert [file.stem for file in log_files(home, "binding-2")] == ["binding-2"]


def test_an_unknown_name_lists_the_known_ones(home: Home) -> None:
    with pytest.raises(StackError, match="binding-1, binding-2, kafka"):
        log_files(home, "bindings")


def test_a_failure_quotes_the_end_of_a_log(home: Home) -> None:
    quoted = last_lines(home.log("kafka"), 2)
    assert quoted == "  | kafka line 98\n  | kafka line 99"
