"""The story's own ledger: what happened on LINE's side, and what must follow from it, exactly once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.channels import Channel

Contact = tuple[str, str]
"""Account and LINE user id."""

GREETING, LINKED = "greeting", "linked"
AUTO_REPLY, FLOW, STAFF_REPLY, TICKET_NOTICE, CAMPAIGN = "auto_reply", "flow", "reply", "ticket_notice", "campaign"
ACCOUNT_LINK = "(account link)"
"""Stands for the id of an account link's event, which LINE's side does not tell."""
MENU_APIS = frozenset({"link_menu", "unlink_menu"})
SEND_APIS = frozenset({"reply", "push"})


@dataclass(frozen=True)
class Answer:
    """A message that LINE must accept once."""

    purpose: str
    contact: Contact
    event_id: str
    others: tuple[str, ...] = ()
    """More events, of which one is answered for all: photos sent together have no order of arrival."""

    def answers(self, event_id: str | None) -> bool:
        """Whether a reply to this event is this answer."""
        return event_id == self.event_id or event_id in self.others

    @property
    def name(self) -> str:
        """What it is called in the report; never a user id."""
        return f"{self.purpose} of {self.contact[0]} for event {self.event_id}"


@dataclass
class Ledger:
    """What happened, by account, and what follows."""

    channels: dict[str, Channel]
    answers: list[Answer] = field(default_factory=list)
    following: dict[Contact, bool] = field(default_factory=dict)
    """How everybody stands to the account by the last follow or unfollow."""
    last_event: dict[Contact, str] = field(default_factory=dict)
    """The event that made it so."""
    bound: set[Contact] = field(default_factory=set)
    menus: set[Contact] = field(default_factory=set)
    """Who must have been given a rich menu at least once: linking one again changes nothing."""
    sources: dict[Contact, str] = field(default_factory=dict)
    audience: set[Contact] = field(default_factory=set)
    """Who must be in exactly one accepted request of the campaign."""
    events: dict[str, Contact] = field(default_factory=dict)
    """Every event that LINE's side told the id of."""
    links: int = 0
    """Account links: events whose ids LINE's side does not tell."""
    facts: dict[str, Counter[str]] = field(default_factory=dict)
    """By account: what insights must count, by the names of `counts.py`."""

    def __post_init__(self) -> None:
        for slug in self.channels:
            self.facts.setdefault(slug, Counter())

    def follow(self, contact: Contact, event_id: str) -> None:
        """Somebody added the account, or unblocked it: one greeting."""
        slug = contact[0]
        returning = contact in self.following
        self._stands(contact, event_id, following=True)
        self.facts[slug]["adds, came back" if returning else "adds, new"] += 1
        greetings = self.channels[slug].greetings
        if (greetings.returning if returning else None) or greetings.new:
            self.answers.append(Answer(GREETING, contact, event_id))
        if returning or contact in self.bound:
            self.menus.add(contact)

    def block(self, contact: Contact, event_id: str) -> None:
        """Somebody blocked the account: nothing is answered."""
        self._stands(contact, event_id, following=False)
        self.facts[contact[0]]["blocks"] += 1

    def message(self, contact: Contact, event_id: str, kind: str, answered: str | None = None) -> None:
        """Somebody said something; `answered`: as what the one answer counts, where there is one."""
        self.events[event_id] = contact
        self.facts[contact[0]][f"in, {kind}"] += 1
        if answered is not None:
            self.answers.append(Answer(answered, contact, event_id))

    def messages_together(self, contact: Contact, event_ids: Sequence[str], kind: str, answered: str) -> None:
        """Somebody sent several things at once, which have one answer."""
        for event_id in event_ids:
            self.message(contact, event_id, kind)
        self.answers.append(Answer(answered, contact, event_ids[0], tuple(event_ids[1:])))

    def tell(self, contact: Contact, purpose: str, about: str) -> None:
        """Somebody must be told something that no event of theirs asked for: one push."""
        self.answers.append(Answer(purpose, contact, f"({about})"))

    def send(self, contacts: Iterable[Contact]) -> None:
        """A campaign goes to these."""
        for contact in contacts:
            self.audience.add(contact)
            self.facts[contact[0]]["campaign reached"] += 1

    def ticket(self, contact: Contact) -> None:
        """Somebody's guided chat ended in a ticket."""
        self.facts[contact[0]]["tickets opened"] += 1

    def bind(self, contact: Contact) -> None:
        """The account's staff set the customer key: the member's menu."""
        self.bound.add(contact)
        self.menus.add(contact)
        self.facts[contact[0]]["bound"] += 1

    def link(self, contact: Contact) -> None:
        """Somebody linked their account at LINE: bound, the member's menu, one message."""
        self.bind(contact)
        self.links += 1
        if self.channels[contact[0]].greetings.linked:
            self.answers.append(Answer(LINKED, contact, ACCOUNT_LINK))

    def come_from(self, contact: Contact, source: str) -> None:
        """Somebody came by an add-friend source that LINE vouches for."""
        self.sources[contact] = source
        self.facts[contact[0]][f"visits of source {source}"] += 1
        self.facts[contact[0]][f"from source {source}"] += 1

    def click(self, slug: str, link: str) -> None:
        """Somebody opened a tracked link."""
        self.facts[slug][f"clicks of {link}"] += 1

    def _stands(self, contact: Contact, event_id: str, *, following: bool) -> None:
        self.following[contact] = following
        self.last_event[contact] = event_id
        self.events[event_id] = contact

    @property
    def campaign_clicks(self) -> int:
        """How many times the campaign's link was opened."""
        return sum(counts["campaign clicks"] for counts in self.facts.values())

    @property
    def contacts(self) -> Iterable[Contact]:
        """Everybody who stands in any relation to an account."""
        return self.following

    def friends(self, slug: str) -> int:
        """How many of the story's people are friends of the account at its end."""
        return sum(1 for contact, following in self.following.items() if contact[0] == slug and following)

    @property
    def effects(self) -> int:
        """How many effects are compared."""
        facts = sum(counts.total() for counts in self.facts.values())
        return len(self.answers) + len(self.menus) + len(self.following) + len(self.audience) + facts
