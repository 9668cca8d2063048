"""Ids: sortable random ones, deterministic ones, contacts."""

from __future__ import annotations

import re
import uuid

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import contact_id, event_id, member_id, new_id, split_contact, stable_uuid, ulid

MILLIS = st.integers(0, 2**48 - 1)
PARTS = st.lists(st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"])))


@given(MILLIS)
def test_a_ulid_is_26_characters_of_crockford(millis: int) -> None:
    assert re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", ulid(millis))


@given(MILLIS, MILLIS)
def test_ulids_sort_by_time(one: int, other: int) -> None:
    if one != other:
        assert (ulid(one) < ulid(other)) == (one < other)


def test_ids_of_one_moment_differ() -> None:
    assert len({ulid(1) for _ in range(1000)}) == 1000


def test_a_new_id_says_what_it_is_of() -> None:
    assert re.fullmatch("cmp_[0-9A-Z]{26}", new_id("cmp"))


def test_a_stable_id_is_the_same_in_every_release() -> None:
    assert str(stable_uuid("retry", "cmp_1")) == "864a0e58-94f1-51fc-a09c-98c3a350cc6a"
    assert member_id("shop:U1") == "mbr_aad72f10c38851e1ba90d36e47e0d7ba"
    assert event_id(b"{}") == "sha256_44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(PARTS, PARTS)
def test_stable_ids_differ_where_their_parts_do(one: list[str], other: list[str]) -> None:
    if one and other:
        assert (stable_uuid(*one) == stable_uuid(*other)) == (one == other)
    assert stable_uuid(*one).version == 5


def test_a_stable_id_is_a_uuid_that_line_takes_as_a_retry_key() -> None:
    assert uuid.UUID(str(stable_uuid("x"))).variant == uuid.RFC_4122


@given(st.from_regex("[a-z0-9-]{1,32}", fullmatch=True), st.text(min_size=1))
def test_a_contact_gives_its_channel_and_address_back(channel: str, address: str) -> None:
    assert split_contact(contact_id(channel, address)) == (channel, address)
