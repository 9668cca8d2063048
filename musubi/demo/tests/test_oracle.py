"""The oracle can fail: what is lost, what comes twice and what nobody called for is found, by name."""

from __future__ import annotations

import pytest

from musubi.demo.oracle import judge_accepts, judge_counts, judge_members
from musubi.demo.tests.builders import ANN, BEN, CAFE_ANN, accept, ledger, member


def test_one_reply_for_each_follow_is_clean() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    story.follow(("cafe", BEN), "E2")
    verdict = judge_accepts(story, [accept("reply", ANN, "E1"), accept("reply", BEN, "E2")])
    assert verdict.differences == []
    assert verdict.sent == {("cafe", "reply", "greeting"): 2}


def test_a_missing_greeting_is_lost_and_named_by_its_event() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    story.follow(("cafe", BEN), "E2")
    verdict = judge_accepts(story, [accept("reply", BEN, "E2")])
    assert (verdict.count("lost"), verdict.count("twice")) == (1, 0)
    assert "E1" in verdict.differences[0].text
    assert ANN not in verdict.differences[0].text


@pytest.mark.parametrize("again", [accept("reply", ANN, "E1"), accept("push", ANN)])
def test_a_second_greeting_is_found_by_whatever_api_it_came(again: dict[str, object]) -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    verdict = judge_accepts(story, [accept("reply", ANN, "E1"), again])
    assert (verdict.count("lost"), verdict.count("twice")) == (0, 1)
    assert "E1" in verdict.differences[0].text
    assert ANN not in verdict.differences[0].text


def test_a_push_stands_for_the_greeting_whose_token_went_stale() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    verdict = judge_accepts(story, [accept("push", ANN)])
    assert verdict.differences == []
    assert verdict.sent == {("cafe", "push", "greeting"): 1}


def test_one_greeting_does_not_stand_for_two_follows() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    story.block(CAFE_ANN, "E2")
    story.follow(CAFE_ANN, "E3")
    verdict = judge_accepts(story, [accept("reply", ANN, "E1"), accept("link_menu", ANN)])
    assert [difference.what for difference in verdict.differences] == ["lost"]
    assert "E3" in verdict.differences[0].text


def test_a_message_of_another_account_does_not_count() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    verdict = judge_accepts(story, [accept("reply", ANN, "E1", slug="repair")])
    assert verdict.count("lost") == 1


def test_the_answer_to_an_account_link_is_a_reply_to_an_event_of_unknown_id() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    story.link(CAFE_ANN)
    log = [accept("reply", ANN, "E1"), accept("reply", ANN, "E-link"), accept("link_menu", ANN)]
    assert judge_accepts(story, log).differences == []
    assert judge_accepts(story, [*log, accept("reply", ANN, "E-link")]).count("twice") == 1
    assert judge_accepts(story, [log[0], log[2]]).count("lost") == 1


def test_an_answer_to_a_message_nobody_answers_is_not_called_for() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    story.message(CAFE_ANN, "E2", "text")
    verdict = judge_accepts(story, [accept("reply", ANN, "E1"), accept("reply", ANN, "E2")])
    assert [difference.what for difference in verdict.differences] == ["uncalled"]


def test_a_menu_must_be_linked_and_may_be_linked_again() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    story.bind(CAFE_ANN)
    greeted = accept("reply", ANN, "E1")
    assert judge_accepts(story, [greeted]).count("lost") == 1
    assert judge_accepts(story, [greeted, accept("link_menu", ANN), accept("link_menu", ANN)]).differences == []


def test_strangers_to_the_story_are_left_out() -> None:
    assert judge_accepts(ledger(), [accept("push", BEN), accept("reply", ANN, "E9")]).differences == []


def test_a_member_as_it_must_be_is_clean() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    assert judge_members(story, {CAFE_ANN: member()}) == []


@pytest.mark.parametrize("wrong", [None, member(following=False), member(following=None), member(bound=True)])
def test_a_member_that_is_missing_or_stands_otherwise_is_lost(wrong: dict[str, object] | None) -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E1")
    found = judge_members(story, {CAFE_ANN: wrong})
    assert [difference.what for difference in found] == ["lost"]
    assert "E1" in found[0].text
    assert ANN not in found[0].text


@pytest.mark.parametrize(
    ("source", "basis", "lost"), [("window", "liff", 0), ("window", "estimated", 1), (None, None, 1)]
)
def test_a_source_is_joined_by_the_verified_user(source: str | None, basis: str | None, lost: int) -> None:
    story = ledger()
    story.come_from(CAFE_ANN, "window")
    story.follow(CAFE_ANN, "E1")
    assert len(judge_members(story, {CAFE_ANN: member(source=source, source_basis=basis)})) == lost


def test_what_is_counted_too_little_or_too_often_is_found() -> None:
    found = judge_counts("cafe", {"in, text": 5, "blocks": 2, "bound": 1}, {"in, text": 4, "blocks": 4, "bound": 1})
    assert [(difference.what, difference.count) for difference in found] == [("twice", 2), ("lost", 1)]


def test_what_is_counted_and_never_happened_is_found() -> None:
    found = judge_counts("cafe", {}, {"unbound": 1})
    assert [(difference.what, difference.count) for difference in found] == [("twice", 1)]


def test_everybody_of_a_campaign_in_one_request_is_clean() -> None:
    story = ledger()
    story.send([CAFE_ANN, ("cafe", BEN)])
    both = accept("multicast") | {"to": [ANN, BEN]}
    verdict = judge_accepts(story, [both])
    assert verdict.differences == []
    assert verdict.sent == {("cafe", "multicast", "campaign"): 2}


def test_who_is_in_no_request_of_a_campaign_or_in_two_is_found() -> None:
    story = ledger()
    story.send([CAFE_ANN, ("cafe", BEN)])
    verdict = judge_accepts(story, [accept("multicast", ANN), accept("multicast", ANN)])
    assert (verdict.count("lost"), verdict.count("twice")) == (1, 1)
    assert ANN not in verdict.differences[0].text


def test_who_was_not_of_the_audience_is_found() -> None:
    verdict = judge_accepts(ledger(), [accept("multicast", ANN)])
    assert [difference.what for difference in verdict.differences] == ["uncalled"]


def test_a_message_with_a_keyword_has_one_answer() -> None:
    story = ledger()
    story.message(CAFE_ANN, "E1", "text", answered="auto_reply")
    story.follow(CAFE_ANN, "E0")
    log = [accept("reply", ANN, "E0"), accept("reply", ANN, "E1")]
    assert judge_accepts(story, log).differences == []
    assert judge_accepts(story, log[:1]).count("lost") == 1


def test_a_notice_is_a_push_of_its_own() -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E0")
    story.tell(CAFE_ANN, "ticket_notice", "ticket 1 is ready")
    log = [accept("reply", ANN, "E0"), accept("push", ANN)]
    assert judge_accepts(story, log).differences == []
    lost = judge_accepts(story, log[:1])
    assert [difference.what for difference in lost.differences] == ["lost"]
    assert "ticket 1 is ready" in lost.differences[0].text


@pytest.mark.parametrize("answered", ["E1", "E2", "E3"])
def test_photos_sent_together_have_one_answer_whichever_came_last(answered: str) -> None:
    story = ledger()
    story.follow(CAFE_ANN, "E0")
    story.messages_together(CAFE_ANN, ["E1", "E2", "E3"], "image", "flow")
    log = [accept("reply", ANN, "E0"), accept("reply", ANN, answered)]
    assert judge_accepts(story, log).differences == []
    assert judge_accepts(story, log[:1]).count("lost") == 1
    again = judge_accepts(story, [*log, accept("reply", ANN, "E2" if answered != "E2" else "E3")])
    assert again.count("twice") == 1
