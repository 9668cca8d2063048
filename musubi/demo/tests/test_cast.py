"""The same seed makes the same story, with everything in it that the report speaks of."""

from __future__ import annotations

from musubi.demo.cast import MESSAGE_KINDS, adding, blocking, in_two, mixed, talking, write_parts

ACCOUNTS = ["cafe", "repair"]


def test_the_same_seed_makes_the_same_parts() -> None:
    assert write_parts("musubi", 300, ACCOUNTS) == write_parts("musubi", 300, ACCOUNTS)
    assert write_parts("musubi", 300, ACCOUNTS) != write_parts("another", 300, ACCOUNTS)


def test_a_hundred_friends_do_everything() -> None:
    parts = write_parts("musubi", 100, ACCOUNTS)
    first, second = in_two(parts)
    assert {part.number for part in parts} == set(range(100))
    assert {part.channel for part in first} == {part.channel for part in second} == set(ACCOUNTS)
    assert {kind for part in parts for kind in part.talk} == set(MESSAGE_KINDS)
    assert any(part.blocks and not part.comes_back for part in parts)
    assert any(part.comes_back for part in parts)
    assert all(part.blocks for part in parts if part.comes_back)
    assert any(part.bound_by_staff for part in first)


def test_some_add_both_accounts_and_nobody_adds_one_twice() -> None:
    both = [(part.number, part.channel) for part in write_parts("musubi", 300, ACCOUNTS)]
    assert len(both) == len(set(both)) > 300


def test_one_account_is_enough() -> None:
    assert {part.channel for part in write_parts("musubi", 50, ["cafe"])} == {"cafe"}


def test_actions_are_of_the_parts_own_people() -> None:
    parts = write_parts("musubi", 30, ACCOUNTS)
    users = [f"user-{number}" for number in range(30)]
    assert [action["user"] for _, action in adding(parts, users)] == [users[part.number] for part in parts]
    assert len(blocking(parts, users)) == sum(part.blocks for part in parts)
    talk = talking(parts, users)
    assert all(("text" in action) == (action["do"] == "text") for _, action in talk)
    assert sorted(map(str, mixed("musubi", talk))) == sorted(map(str, talk))
    assert mixed("musubi", talk) == mixed("musubi", talk) != talk
