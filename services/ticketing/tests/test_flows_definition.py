"""What may be published: everything wrong is told with the place it stands."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.ticketing.flows.definition import Definition, Unsound
from services.ticketing.tests.flow_builders import definition, repair, triage, words


def problems_of(**changes: Any) -> dict[str, str]:
    """The pointers and details of what is wrong with a changed triage script."""
    with pytest.raises(ValidationError) as raised:
        definition(**changes)
    found = raised.value.errors()[0]["ctx"]["error"]
    assert isinstance(found, Unsound)
    return {problem.pointer: problem.detail for problem in found.problems}


def step(index: int, **changes: Any) -> list[dict[str, Any]]:
    """The triage script's steps with one of them changed."""
    steps = list(triage()["steps"])
    steps[index] = steps[index] | changes
    return steps


def says(count: int) -> list[dict[str, Any]]:
    """Steps that only speak, before one that asks."""
    talk = [{"id": f"s{number}", "kind": "say", "text": words("Well.")} for number in range(count)]
    return [*talk, triage()["steps"][1]]


def test_the_built_in_repair_is_sound() -> None:
    assert (repair().name, repair().version, repair().ticket_kind) == ("repair", 0, "repair")
    assert all("{number}" in text for text in repair().completed.values())
    assert set(repair().languages) == {"zh-TW", "ja", "th", "en"}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"completed": {"en": "Thanks."}}, "/completed/zh-TW"),
        ({"completed": {**words("x"), "ja": "x"}}, "/completed/ja"),
        ({"completed": words("Your number is {number}.")}, "/completed/en"),
        ({"steps": step(1, prompt={"en": "?"})}, "/steps/1/prompt/zh-TW"),
        ({"steps": step(4, again={"en": "?"})}, "/steps/4/again/zh-TW"),
        ({"steps": step(1, options=[{"id": "a", "label": words("x" * 21)}])}, "/steps/1/options/0/label/en"),
        ({"steps": step(3, id="what")}, "/steps/3/id"),
        ({"steps": step(3, next="what")}, "/steps/3/next"),
        ({"steps": step(3, next="nowhere")}, "/steps/3/next"),
        ({"steps": step(2, when={"letter": "hello"})}, "/steps/2/when/letter"),
        ({"steps": step(2, when={"banana": "sure"})}, "/steps/2/when/banana"),
        ({"steps": step(2, on="sure")}, "/steps/2/on"),
        ({"steps": step(4, min_length=21)}, "/steps/4/min_length"),
        ({"steps": step(5, min=5)}, "/steps/5/min"),
        ({"steps": [{"id": "a", "kind": "say", "text": words("Hi.")}]}, "/steps"),
        ({"steps": step(0, next="end")}, "/steps"),
        ({"steps": says(4)}, "/steps/0"),
    ],
)
def test_what_does_not_fit_together_is_pointed_at(changes: dict[str, Any], pointer: str) -> None:
    assert pointer in problems_of(**changes)


def test_three_remarks_before_a_question_are_the_most() -> None:
    assert len(definition(steps=says(3)).steps) == 4


def test_a_definition_does_not_change() -> None:
    with pytest.raises(ValidationError):
        definition().name = "other"


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        Definition.model_validate({"name": "x", "version": 1, **triage(), "colour": "red"})
