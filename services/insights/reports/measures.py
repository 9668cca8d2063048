"""What each number means and where it comes from: the one list that reports, CSV columns and people rely on."""

from __future__ import annotations

from typing import NamedTuple

from shared import topics


class Measure(NamedTuple):
    """A number: the topic it is counted from, and its meaning in a sentence."""

    topic: str
    definition: str
    in_summary: bool = True
    """Whether it is one number of a period: not one of a campaign's whole life, nor several."""

    @property
    def source(self) -> str:
        """The source as people know it."""
        return SOURCES[self.topic]


SOURCES = {
    topics.LINE_EVENTS: "line webhook",
    topics.MEMBER_EVENTS: "binding",
    topics.WEB_EVENTS: "own click",
    topics.LINE_SENT: "accepted by LINE",
    topics.CAMPAIGN_EVENTS: "broadcast",
    topics.TICKET_EVENTS: "ticketing",
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
    "tickets_opened": Measure(topics.TICKET_EVENTS, "tickets made"),
    "tickets_closed": Measure(topics.TICKET_EVENTS, "tickets that were closed"),
    "tickets_cancelled": Measure(topics.TICKET_EVENTS, "tickets that were cancelled"),
    "open_tickets": Measure(
        topics.TICKET_EVENTS, "tickets open at the end: opened less closed and cancelled, from the beginning"
    ),
    "tickets_assigned": Measure(topics.TICKET_EVENTS, "times a ticket was given to a person, a team, or nobody"),
    "first_response_breaches": Measure(topics.TICKET_EVENTS, "tickets whose first answer came too late, or not yet"),
    "resolution_breaches": Measure(topics.TICKET_EVENTS, "tickets whose end came too late, or not yet"),
    "conversations_opened": Measure(topics.TICKET_EVENTS, "times somebody wrote who had no open conversation"),
    "conversations_closed": Measure(topics.TICKET_EVENTS, "conversations that staff resolved"),
    "open_conversations": Measure(
        topics.TICKET_EVENTS, "conversations open at the end: opened less closed, from the beginning"
    ),
    "first_response": Measure(
        topics.TICKET_EVENTS, "working seconds from a ticket's opening to staff's first answer", in_summary=False
    ),
    "resolution": Measure(
        topics.TICKET_EVENTS,
        "working seconds from a ticket's opening to its closing, less the waiting for the customer",
        in_summary=False,
    ),
    "conversation_first_response": Measure(
        topics.TICKET_EVENTS, "seconds from a conversation's opening to staff's first answer", in_summary=False
    ),
    "conversation_resolution": Measure(
        topics.TICKET_EVENTS, "seconds from a conversation's opening to its closing", in_summary=False
    ),
    "matched": Measure(topics.CAMPAIGN_EVENTS, "people whom a campaign's segment held when it was frozen", False),
    "frozen": Measure(topics.CAMPAIGN_EVENTS, "recipients of a campaign's frozen audience", False),
    "accepted": Measure(topics.CAMPAIGN_EVENTS, "recipients named in a campaign's calls that LINE accepted", False),
    "rejected": Measure(topics.CAMPAIGN_EVENTS, "recipients of a campaign's calls that LINE refused", False),
    "unsettled": Measure(
        topics.CAMPAIGN_EVENTS, "recipients of a campaign's calls of which nobody knows whether LINE accepted", False
    ),
    "skipped": Measure(topics.CAMPAIGN_EVENTS, "people left out when a campaign was frozen, and since", False),
    "pending": Measure(
        topics.CAMPAIGN_EVENTS, "matched less accepted, rejected, unsettled and skipped: not sent to yet", False
    ),
    "blocked": Measure(topics.CAMPAIGN_EVENTS, "recipients who blocked the account within 24 h of the call", False),
    "blocked_per_1000": Measure(topics.CAMPAIGN_EVENTS, "blocked by 1,000 accepted; empty while accepted is 0", False),
    "campaign_clicks": Measure(topics.WEB_EVENTS, "openings of a campaign's tracked links by people", False),
    "campaign_robot_clicks": Measure(topics.WEB_EVENTS, "openings of a campaign's links by link-preview robots", False),
    "campaign_browsers": Measure(topics.WEB_EVENTS, "different browsers among a campaign's clicks", False),
    "clicked_members": Measure(topics.WEB_EVENTS, "members whose own link was clicked: a push, LIFF", False),
    "clickers": Measure(
        topics.WEB_EVENTS, "clicked_members, and the browsers that never clicked a member's own link", False
    ),
    "click_rate": Measure(topics.WEB_EVENTS, "clickers ÷ accepted; empty while accepted is 0", False),
}
