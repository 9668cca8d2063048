"""The rules of tags: names, once each, expiry; and what stands in a CSV of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.binding.members.model import Member, erase, snapshot
from services.binding.tags.importing import CHANGED, UNCHANGED, apply_rows
from services.binding.tags.model import (
    TAGS_LIMIT,
    BadTag,
    TooManyTags,
    check_expiry,
    expire,
    has_tag,
    normalise_tag,
    tag,
    untag,
)
from services.binding.tags.rows import MOST_ROWS, BadFile, BadRow, Row, read_file
from shared.events import MemberTagged, MemberUntagged
from shared.tags import compared_tag

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def a_member(*tags: str) -> Member:
    member = Member(id="mbr_1", channel="shop", created_at=NOON, updated_at=NOON, version=3)
    member.contact("shop:U1", NOON)
    for name in tags:
        tag(member, name, "staff", NOON)
    return member


@pytest.mark.parametrize(("given", "shown"), [("  VIP ", "VIP"), ("ＶＩＰ", "VIP"), ("常連　", "常連"), ("a b", "a b")])
def test_a_tag_is_shown_as_given_without_width_and_outer_blanks(given: str, shown: str) -> None:
    assert normalise_tag(given) == shown


@pytest.mark.parametrize("bad", ["", " \u3000", "x" * 65, "a\u200bb", "a\nb", "\ufdfa" * 4])
def test_what_cannot_be_a_tag_is_refused_with_the_reason(bad: str) -> None:
    with pytest.raises(BadTag, match="a tag"):
        normalise_tag(bad)


@given(st.text(min_size=1, max_size=64))
def test_a_name_that_was_taken_is_taken_again_as_the_same_tag(text: str) -> None:
    try:
        name = normalise_tag(text)
    except BadTag:
        return
    assert normalise_tag(name) == name
    assert compared_tag(compared_tag(name)) == compared_tag(name)


def test_a_tag_is_told_once_and_keeps_its_first_origin_and_time() -> None:
    member = a_member()
    [told] = tag(member, "VIP", "quiz", NOON, LATER)
    assert isinstance(told, MemberTagged)
    assert (told.tag, told.origin, told.expires_at, told.contact) == ("VIP", "quiz", LATER, "shop:U1")
    assert tag(member, "vip", "staff", NOON + timedelta(minutes=1)) == ()
    [held] = member.tags.values()
    assert (held.name, held.origin, held.since, held.expires_at) == ("VIP", "quiz", NOON, None)


def test_the_same_change_of_the_same_version_has_the_same_id_and_others_have_others() -> None:
    ids = [fact.id for names in (["a"], ["a"], ["b"]) for name in names for fact in tag(a_member(), name, "x", NOON)]
    assert ids[0] == ids[1] != ids[2]
    newer = a_member()
    newer.version += 1
    assert tag(newer, "a", "x", NOON)[0].id != ids[0]


def test_a_tag_taken_away_is_told_and_one_that_is_not_there_is_not() -> None:
    member = a_member("VIP")
    [told] = untag(member, "vip", "staff", NOON)
    assert isinstance(told, MemberUntagged)
    assert told.tag == "VIP"
    assert untag(member, "vip", "staff", NOON) == ()


def test_a_member_has_a_hundred_tags_at_most() -> None:
    member = a_member(*(f"t{number}" for number in range(TAGS_LIMIT)))
    assert tag(member, "T7", "staff", NOON) == ()
    with pytest.raises(TooManyTags, match="at most 100"):
        tag(member, "one more", "staff", NOON)


def test_what_has_expired_leaves_with_the_time_it_expired() -> None:
    member = a_member("for good")
    tag(member, "soon", "quiz", NOON, LATER)
    assert member.tags_expire_at == LATER
    assert expire(member, LATER - timedelta(seconds=1)) == ()
    [told] = expire(member, LATER + timedelta(days=1))
    assert isinstance(told, MemberUntagged)
    assert (told.tag, told.origin, told.occurred_at) == ("soon", "expired", LATER)
    assert member.tags_expire_at is None
    assert snapshot(member, 4).tags == ("for good",)


def test_a_tag_given_again_after_it_expired_is_a_new_one() -> None:
    member = a_member()
    tag(member, "VIP", "quiz", NOON, LATER)
    lost, got = tag(member, "vip", "staff", LATER)
    assert (lost.occurred_at, got.occurred_at) == (LATER, LATER)
    assert lost.id != got.id
    assert [held.name for held in member.tags.values()] == ["vip"]


@pytest.mark.parametrize("when", [NOON, NOON - timedelta(days=1), datetime.max.replace(tzinfo=timezone.min)])
def test_no_tag_expires_in_the_past_or_at_the_end_of_time(when: datetime) -> None:
    with pytest.raises(BadTag, match="in the future"):
        check_expiry(when, NOON)


def test_erasing_takes_the_tags_along() -> None:
    member = a_member("VIP")
    erase(member, NOON)
    assert (member.tags, snapshot(member, 4).tags) == ({}, ())


def rows_of(*actions: tuple[str, str]) -> list[Row]:
    return [
        Row(line, "mbr_1", name, "remove" if sign == "-" else "add") for line, (sign, name) in enumerate(actions, 2)
    ]


def test_an_import_changes_once_and_says_which_rows_did_nothing() -> None:
    member = a_member("old")
    rows = rows_of(("+", "VIP"), ("+", "vip"), ("-", "old"), ("-", "none"), ("-", "VIP"))
    outcomes: dict[Row, str] = {}
    change = apply_rows(member, rows, lambda: NOON, outcomes)
    assert list(outcomes.values()) == [CHANGED, UNCHANGED, CHANGED, UNCHANGED, "says the opposite of line 2"]
    assert len({fact.id for fact in change.facts}) == len(change.facts) == 2
    assert not apply_rows(member, rows[:4], lambda: NOON, {}).touched


def test_an_import_never_takes_an_expiry_away() -> None:
    member = a_member()
    tag(member, "VIP", "quiz", NOON, LATER)
    assert not apply_rows(member, rows_of(("+", "vip")), lambda: NOON, {}).touched
    assert member.tags_expire_at == LATER


def test_what_expired_meanwhile_is_told_even_where_the_row_is_refused() -> None:
    member = a_member(*(f"t{number}" for number in range(TAGS_LIMIT - 1)))
    tag(member, "soon", "quiz", NOON, LATER)
    outcomes: dict[Row, str] = {}
    change = apply_rows(member, rows_of(("+", "a"), ("+", "b")), lambda: LATER, outcomes)
    assert list(outcomes.values()) == [CHANGED, "a member has at most 100 tags"]
    assert [fact.__class__ for fact in change.facts] == [MemberUntagged, MemberTagged]
    assert not has_tag(member, "soon", LATER)


def test_a_file_is_read_with_or_without_bom_and_by_the_names_of_its_columns() -> None:
    text = 'note,Tag,customer_key,action\r\n,"a,b",C-1,\r\n\r\nx,＝1,C-2,Remove\r\n'
    for body in (text.encode(), text.encode("utf-8-sig")):
        file = read_file(body)
        assert file.identity == "customer_key"
        assert file.rows == (Row(2, "C-1", "a,b", "add"), Row(4, "C-2", "=1", "remove"))
        assert file.bad == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("C-1", "has 1 columns, not 3"),
        ("C-1,vip,add,more", "has 4 columns, not 3"),
        (",vip,", "names no customer_key"),
        ("C-1,,", "a tag must not be blank"),
        ("C-1,vip,delete", "the action must be add or remove"),
        (f"C-1,{'x' * 65},", "a tag has at most 64 characters"),
        ('C-1,"vip"x,', "is no CSV"),
        ('C-1,"vip', "is no CSV"),
    ],
)
def test_a_bad_line_is_told_by_its_number_and_the_good_ones_are_kept(line: str, reason: str) -> None:
    file = read_file(f"customer_key,tag,action\nC-0,ok,\n{line}\n".encode())
    [bad] = file.bad
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.reason[: len(reason)]) == (3, reason)
    assert [row.who for row in file.rows] == ["C-0"]


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    file = read_file(b'contact,tag\nshop:U1,"two\nlines"\nshop:U2,\nshop:U3,ok\n')
    assert [bad.line for bad in file.bad] == [2, 4]
    assert [row.line for row in file.rows] == [5]


def test_the_marks_that_keep_a_spreadsheet_from_running_a_text_are_taken_off_again() -> None:
    assert read_file(b"member,tag\nmbr_1,'=1+1\nmbr_1,'quoted'\n").rows == (
        Row(2, "mbr_1", "=1+1", "add"),
        Row(3, "mbr_1", "'quoted'", "add"),
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"member,tag\nmbr_1,\xff", "no UTF-8"),
        (b"mbr_1,vip\n", "must name the columns"),
        (b"tag\nvip\n", "must name the columns"),
        (b"member,tag,TAG\n", "twice"),
        (b'"member,tag', "no CSV"),
        (b"member,tag\n" + b"m,t\n" * (MOST_ROWS + 1), "at most 10000 rows"),
    ],
)
def test_what_is_no_file_of_tags_is_refused_as_a_whole(body: bytes, reason: str) -> None:
    with pytest.raises(BadFile, match=reason):
        read_file(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(body: bytes) -> None:
    try:
        file = read_file(b"member,tag\n" + body)
    except BadFile:
        return
    assert all(row.tag and row.who for row in file.rows)
