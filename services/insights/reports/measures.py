"""What each number means and where it comes from: the one list that reports, CSV columns and people rely on."""

from __future__ import annotations

from typing import NamedTuple

from shared import topics


class Measure(NamedTuple):
    """A number: the topic it is counted from, and its meaning in a sentence."""

    topic: str
    definition: str

    @property
    def source(self) -> str:
        """The source as people know it."""
        return SOURCES[self.topic]


SOURCES = {
    topics.LINE_EVENTS: "line webhook",
    topics.MEMBER_EVENTS: "binding",
    topics.WEB_EVENTS: "own click",
    topics.LINE_SENT: "accepted by LINE",
}

MEASURES: dict[str, Measure] = {
    "adds": Measure(topics.LINE_EVENTS, "follow events by LINE's event time: new friends and people who unblocked"),
    "adds_new": Measure(topics.LINE_EVENTS, "adds that LINE does not mark as an unblock"),
    "adds_unblocked": Measure(topics.LINE_EVENTS, "adds that LINE marks as an unblock (LINE: not fully accurate)"),
    "blocks": Measure(topics.LINE_EVENTS, "unfollow events by LINE's event time"),
    "reach": Measure(
        topics.MEMBER_EVENTS, "friends at the end: everyone who became a friend less everyone who stopped being one"
    ),
    "attributed": Measure(topics.MEMBER_EVENTS, "follows joined to the add-friend source that led to them"),
    "unknown": Measure(topics.MEMBER_EVENTS, "adds less attributed, never under 0"),
    "source_hits": Measure(topics.WEB_EVENTS, "visits by people of add-friend source addresses; robots are left out"),
    "received": Measure(topics.LINE_EVENTS, "messages from people in one-to-one chats"),
    "received_in_groups": Measure(topics.LINE_EVENTS, "messages in groups and rooms the account is in"),
    "sent_calls": Measure(topics.LINE_SENT, "outgoing calls that LINE accepted"),
    "sent_recipients": Measure(topics.LINE_SENT, "recipients named in those calls; for each, one however many bubbles"),
    "clicks": Measure(topics.WEB_EVENTS, "openings of tracked links by people"),
    "robot_clicks": Measure(topics.WEB_EVENTS, "openings of tracked links by link-preview robots"),
    "browsers": Measure(topics.WEB_EVENTS, "different browsers among the clicks"),
    "page_views": Measure(topics.WEB_EVENTS, "public pages shown"),
    "bound": Measure(topics.MEMBER_EVENTS, "members who got a customer key"),
    "unbound": Measure(topics.MEMBER_EVENTS, "members who lost their customer key"),
    "link_failed": Measure(topics.MEMBER_EVENTS, "account links that LINE ended without a binding"),
    "bound_members": Measure(topics.MEMBER_EVENTS, "members bound at the end: bound less unbound, from the beginning"),
    "bound_share": Measure(topics.MEMBER_EVENTS, "bound members ÷ reach, at the end; empty while reach is 0"),
}
