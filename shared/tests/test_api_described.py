"""What the OpenAPI of a staff API says of refusals, and what it takes for a switch."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from shared.api import create_api
from shared.dlq.routes import Sweep


def test_every_operation_describes_its_refusals_as_problem_documents() -> None:
    api = create_api("test", CollectorRegistry())

    @api.get("/v1/things/{number}")
    async def thing(number: int) -> int:
        return number

    answers = api.openapi()["paths"]["/v1/things/{number}"]["get"]["responses"]

    assert set(answers) == {"200", "4XX", "5XX"}
    for kind in ("4XX", "5XX"):
        assert set(answers[kind]["content"]) == {"application/problem+json"}


@pytest.mark.parametrize("value", [0, "false", "off", "no", None, ""])
def test_only_false_itself_turns_a_dry_run_into_a_real_one(value: Any) -> None:
    """Found by fuzzing: 0 and "off" replayed every dead letter."""
    with pytest.raises(ValidationError):
        Sweep.model_validate({"dry_run": value})
