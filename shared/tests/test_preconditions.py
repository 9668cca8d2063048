"""If-Match and Idempotency-Key: what a missing, wrong, old and repeated one is answered with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.requests import Request

from shared.auth import Principal
from shared.preconditions import body_digest, check_version, etag, idempotency_key, if_match, same_request
from shared.problems import Problem

SHOP = Principal(id="shop", role="agent", channels=frozenset({"*"}))
OTHER = Principal(id="other", role="agent", channels=frozenset({"*"}))


def request(**headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": named})


def slug(step: Callable[[], object]) -> str:
    with pytest.raises(Problem) as caught:
        step()
    return caught.value.slug


def test_an_edit_names_the_version_it_was_made_for() -> None:
    assert if_match(request(if_match=etag(7))) == 7
    assert if_match(request(if_match='W/"7"')) == 7


def test_an_edit_without_a_version_is_asked_for_one() -> None:
    assert slug(lambda: if_match(request())) == "precondition-required"


@pytest.mark.parametrize("tag", ["7", "*", '"x"', '""', '"1", "2"'])
def test_a_tag_that_is_none_of_ours_matches_nothing(tag: str) -> None:
    assert slug(lambda: if_match(request(if_match=tag))) == "precondition-failed"


def test_an_old_version_is_refused_with_the_present_one() -> None:
    check_version(7, 7)
    with pytest.raises(Problem) as caught:
        check_version(6, 7)
    assert (caught.value.status, caught.value.headers) == (412, {"etag": '"7"'})


@pytest.mark.parametrize("key", ["", "with space", "ü", "x" * 129])
def test_a_send_needs_a_plain_key(key: str) -> None:
    assert slug(lambda: idempotency_key(request(idempotency_key=key))) == "bad-request"


def test_one_callers_key_names_one_object() -> None:
    key = idempotency_key(request(idempotency_key="order-1"))
    made = key.object_id("cmp", SHOP, "coffee")
    assert made == idempotency_key(request(idempotency_key="order-1")).object_id("cmp", SHOP, "coffee")
    others = {key.object_id("cmp", OTHER, "coffee"), key.object_id("cmp", SHOP, "repair")}
    assert len(others | {made}) == 3


def test_a_key_used_for_another_body_is_refused() -> None:
    digest = body_digest({"a": 1, "b": [2]})
    same_request(digest, body_digest({"b": [2], "a": 1}))
    assert slug(lambda: same_request(digest, body_digest({"a": 2, "b": [2]}))) == "invalid"
