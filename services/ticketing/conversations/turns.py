"""What the desk does with what a contact sends: the guided flow under way first, then keywords. Pure decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl

from services.ticketing import SERVICE
from services.ticketing.autoreplies.model import Rule, Rules, help_text
from services.ticketing.conversations.changes import Change
from services.ticketing.conversations.errands import open_ticket_item
from services.ticketing.conversations.model import Conversation, ReplyToken, is_courtesy, note_answer, receive
from services.ticketing.flows.definition import Definition
from services.ticketing.flows.model import Completed, Incoming, TimedOut, advance, forget_message, start
from services.ticketing.people.model import Person
from shared.answering import answering_service
from shared.answers import answer_item
from shared.arrivals import Arrived
from shared.channels import Channel
from shared.clock import Now
from shared.ids import stable_uuid
from shared.line import builders
from shared.line_events import LineEvent
from shared.mongo import Document

ANSWER_WINDOW = timedelta(hours=1)
"""An older event (a backlog, a replay) is put before a person and never answered by a machine (design §2)."""

SAME_WISH = timedelta(minutes=1)
"""A start word so soon after the one that started the flow is the same wish, sent twice."""

AUTO_REPLY, FLOW = "auto_reply", "flow"
START_FLOW = "flow.start"
"""The postback that starts a flow: `a=flow.start&n=<name>`."""
_MOST_MESSAGES = 5
"""LINE: a reply has at most 5 messages."""

Json = dict[str, Any]


class FlowCatalogue(Protocol):
    """The guided flows of one account, as they were a moment ago."""

    def named(self, name: str) -> Definition | None:
        """Return the newest version of a flow."""

    def starting(self, text: str) -> Definition | None:
        """Return the flow that has this text as a start word."""

    def version(self, name: str, version: int) -> Definition | None:
        """Return a flow as a session began it."""


class UnknownVersion(Exception):
    """A session names a version of its flow that this process has not read yet."""


@dataclass(frozen=True)
class Desk:
    """What a decision looks at besides the conversation, read beforehand.

    `complete`: the catalogue was just read, so a session whose flow it does not have is let go.
    """

    channel: Channel | None
    rules: Rules
    person: Person
    flows: FlowCatalogue
    grace: timedelta
    now: Now
    complete: bool = False


def apply_events(conversation: Conversation, arrived: Sequence[Arrived], desk: Desk) -> Change:
    """Apply the events that were not applied before to a conversation, and say what follows.

    Raises:
        UnknownVersion: the flows are to be read anew.
    """
    change = Change()
    for item in arrived:
        if item.offset <= conversation.offsets.get(item.topic, -1):
            continue
        conversation.offsets[item.topic] = item.offset
        change.touched = True
        if item.event.type == "unsend":
            _forget(conversation, item.event, desk)
        else:
            _take(conversation, item.event, desk, change)
    return change


def _forget(conversation: Conversation, event: LineEvent, desk: Desk) -> None:
    session = conversation.flow
    definition = _definition(session, desk) if session is not None else None
    if session is not None and definition is not None:
        conversation.flow = forget_message(definition, session, event.body["unsend"]["messageId"])


def _definition(session: Document, desk: Desk) -> Definition | None:
    definition = desk.flows.version(session["flow"], session["version"])
    if definition is None and not desk.complete:
        raise UnknownVersion
    return definition


def _take(conversation: Conversation, event: LineEvent, desk: Desk, change: Change) -> None:
    incoming = read_incoming(event)
    courtesy = incoming.kind == "sticker" or (incoming.text is not None and is_courtesy(incoming.text))
    change.facts += receive(
        conversation, event.at, event.id, courtesy=courtesy, member=desk.person.member, grace=desk.grace
    )
    if event.reply_token:
        conversation.token = ReplyToken(event.reply_token, event.received_at)
    if desk.channel is None or answering_service(event) != SERVICE or desk.now() - event.at > ANSWER_WINDOW:
        return
    sends = _Turn(conversation, event, incoming, desk, desk.channel).answer()
    if sends:
        conversation.token = None
        note_answer(conversation, event.at, by_staff=False)
    change.sends += sends


def read_incoming(event: LineEvent) -> Incoming:
    """Return a message or pressed button as flows take it."""
    if event.type == "postback":
        data = event.body["postback"].get("data")
        return Incoming("postback", postback=data if isinstance(data, str) else None, event_id=event.id)
    message: Mapping[str, Any] = event.body["message"]
    text = message.get("text") if message.get("type") == "text" else None
    return Incoming(
        kind=str(message.get("type")),
        text=text if isinstance(text, str) else None,
        message_id=message["id"],
        image_set=message.get("imageSet"),
        event_id=event.id,
    )


class _Turn:
    """One thing that a machine may answer; changes the conversation's flow."""

    def __init__(
        self, conversation: Conversation, event: LineEvent, incoming: Incoming, desk: Desk, channel: Channel
    ) -> None:
        self.conversation = conversation
        self.event = event
        self.incoming = incoming
        self.desk = desk
        self.channel = channel
        self.text = incoming.text or ""
        self.rule = self._rule()
        self.wanted = self._wanted_flow()

    def answer(self) -> list[Document]:
        """Return the outbox items of the answer, none for silence."""
        session = self.conversation.flow
        if session is None:
            return self._ordinary([])
        if self.wanted is not None and self.wanted.name == session["flow"] and not session["answers"]:
            return [] if self.event.at - session["started_at"] < SAME_WISH else self._ordinary([])
        definition = _definition(session, self.desk)
        if definition is None:
            self.conversation.flow = None
            return self._ordinary([])
        return self._advance(definition, session)

    def _advance(self, definition: Definition, session: Document) -> list[Document]:
        step = advance(definition, session, self.incoming, self.event.at)
        self.conversation.flow = step.session
        match step.outcome:
            case TimedOut():
                return self._ordinary(step.replies)
            case Completed(answers=answers) if definition.ticket_kind is not None:
                return [self._open_ticket(definition, session, answers, step.replies)]
            case None if not step.replies and self.incoming.kind == "postback":
                return self._ordinary([])
        return self._say(FLOW, step.replies)

    def _open_ticket(
        self, definition: Definition, session: Document, answers: Mapping[str, Any], replies: list[Json]
    ) -> Document:
        [answer] = self._say(FLOW, replies)
        return open_ticket_item(
            session,
            definition,
            answers,
            last_message=self.incoming.message_id,
            contact=self.conversation.id,
            member=self.desk.person.member,
            at=self.event.at,
            answer=answer,
        )

    def _ordinary(self, said: list[Json]) -> list[Document]:
        """Answer what belongs to no flow; `said` comes first: the words of a flow that has just timed out."""
        if self.wanted is not None:
            session_id = f"ses_{stable_uuid('flow', self.event.id).hex}"
            step = start(self.wanted, session_id, self.event.at, language=self.channel.language)
            self.conversation.flow = step.session
            return self._say(FLOW, [*said, *step.replies])
        if self.rule is not None:
            return self._say(AUTO_REPLY, [*said, *self.rule.messages])
        if self.desk.rules.asks_for_help(self.text):
            return self._say(AUTO_REPLY, [*said, builders.text(help_text(self.desk.rules, self.channel.language))])
        return self._say(FLOW, said)

    def _rule(self) -> Rule | None:
        local = self.event.at.astimezone(self.channel.zone)
        return self.desk.rules.match(self.text, local, bound=self.desk.person.bound) if self.text else None

    def _wanted_flow(self) -> Definition | None:
        """Return the flow that this starts: by a button, a rule's action, or one of its own start words."""
        if self.incoming.kind == "postback":
            pressed = dict(parse_qsl(self.incoming.postback or ""))
            return self.desk.flows.named(pressed.get("n", "")) if pressed.get("a") == START_FLOW else None
        if self.rule is not None:
            return self.desk.flows.named(self.rule.start_flow) if self.rule.start_flow else None
        return self.desk.flows.starting(self.text) if self.text else None

    def _say(self, purpose: str, messages: Sequence[Json]) -> list[Document]:
        if not messages:
            return []
        item_id = f"{self.event.id}.{purpose}"
        said = list(messages)[:_MOST_MESSAGES]
        return [answer_item(item_id, purpose=purpose, messages=said, contact=self.conversation.id, event=self.event)]
