"""The report as people and as programs read it, and the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from musubi.demo.__main__ import main, read_arguments
from musubi.demo.oracle import Difference
from musubi.demo.report import AccountReport, Report, show


def report(*differences: Difference, killed: str | None = None) -> Report:
    """A report of a small story."""
    counted = {
        "adds, new": 9,
        "adds, came back": 1,
        "in, text": 4,
        "from source window": 1,
        "out, greeting by reply": 10,
    }
    levels = {"reach": 12, "bound_members": 3, "bound_share": 0.25}
    return Report(
        seed="musubi",
        crowd="musubi-1",
        people=9,
        seconds=3.2,
        accounts=[AccountReport("cafe", "Café", 8, counted, levels)],
        webhooks={"webhooks": 20, "duplicated": 2, "redelivered": 0},
        swallowed={"binding": 2, "insights": 2},
        killed=[killed] if killed else [],
        effects=50,
        differences=list(differences),
    )


def shown(story: Report) -> str:
    """What is printed where there is no terminal."""
    console = Console(file=io.StringIO(), width=140, highlight=False)
    show(story, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_clean_story_reads_lost_0_twice_0() -> None:
    text = shown(report())
    for words in ("effects lost 0", "effects twice 0", "bound share of reach 25.0%", "from no known source 9"):
        assert words in " ".join(text.split())
    assert "not called for" not in text


def test_differences_are_named_and_counted() -> None:
    story = report(Difference("lost", "greeting of cafe for event E1"), Difference("twice", "insights", 3))
    text = " ".join(shown(story).split())
    assert not story.clean
    assert "effects lost 1" in text
    assert "effects twice 3" in text
    assert "✗ lost: greeting of cafe for event E1" in text


def test_what_a_killed_consumer_swallowed_is_a_lower_bound() -> None:
    assert "at least 2 by binding" in shown(report(killed="binding-1"))
    assert "at least" not in shown(report(killed="ingest-1"))


def test_as_data_it_holds_totals_and_differences() -> None:
    data = json.loads(report(Difference("uncalled", "somebody else", 2)).as_json())
    assert (data["lost"], data["twice"], data["uncalled"], data["clean"]) == (0, 0, 2, False)
    assert data["accounts"][0]["counted"]["in, text"] == 4


def test_nobody_is_killed_where_nobody_shall_be() -> None:
    assert read_arguments([]).kill == "binding"
    assert read_arguments(["--no-kill"]).kill is None
    assert read_arguments(["--kill", "ingest"]).kill == "ingest"


@pytest.mark.parametrize("wrong", [["--friends", "3"], ["--friends", "many"], ["--kill", "kafka"]])
def test_what_cannot_be_played_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        read_arguments(wrong)
    assert exit_.value.code == 2
    assert wrong[1] in capsys.readouterr().err or "friends" in wrong[0]


def test_without_a_stack_it_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MUSUBI_STACK_FILE", str(tmp_path / "stack.json"))
    assert main([]) == 1
    assert "make up" in capsys.readouterr().err
