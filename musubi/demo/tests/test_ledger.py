"""What must follow from what happened."""

from __future__ import annotations

from musubi.demo.tests.builders import BEN, CAFE_ANN, ledger


def test_who_comes_back_is_greeted_again_and_given_the_menu() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    assert CAFE_ANN not in story.menus
    story.block(CAFE_ANN, "E2")
    story.follow(CAFE_ANN, "E3")
    assert [answer.event_id for answer in story.answers] == ["E1", "E3"]
    assert CAFE_ANN in story.menus
    assert story.facts["cafe"] == {"adds, new": 1, "adds, came back": 1, "blocks": 1}


def test_an_account_without_a_text_owes_no_greeting() -> None:
    story = ledger(linked="linked")
    story.follow(CAFE_ANN, "E1")
    assert story.answers == []


def test_who_blocked_is_no_friend_at_the_end() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    story.follow(("cafe", BEN), "E2")
    story.block(CAFE_ANN, "E3")
    assert story.friends("cafe") == 1


def test_an_account_link_binds_and_is_answered() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    story.link(CAFE_ANN)
    assert [answer.purpose for answer in story.answers] == ["greeting", "linked"]
    assert CAFE_ANN in story.bound & story.menus
    assert story.facts["cafe"]["bound"] == 1
