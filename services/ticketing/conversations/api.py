"""Routes for staff: the inbox, a thread, and what is done with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response

from services.ticketing.conversations.changes import Change, ConversationChanges
from services.ticketing.conversations.model import Conversation, reopen, resolve
from services.ticketing.conversations.replies import Replies
from services.ticketing.conversations.store import Wanted
from services.ticketing.conversations.views import (
    ConversationPage,
    ConversationPatch,
    ConversationView,
    MessagePage,
    MessageView,
    NoteBody,
    ReplyBody,
    conversation_view,
    message_view,
)
from services.ticketing.messages.model import Message, Text
from services.ticketing.messages.store import MessageStore, stored_id
from services.ticketing.people.store import PeopleStore
from shared.api import Limit, decode_cursor, encode_cursor
from shared.audit import Audit
from shared.auth import AdminKeys, Principal, allowed
from shared.channels import Channels
from shared.clock import Now, from_millis, to_millis
from shared.events import DeskFact
from shared.ids import member_id, new_id, split_contact
from shared.line.messages import check_messages
from shared.preconditions import Expected, Idempotency, check_version, etag
from shared.problems import Problem


@dataclass(frozen=True)
class Inbox:
    """What the routes need."""

    changes: ConversationChanges
    messages: MessageStore
    people: PeopleStore
    replies: Replies
    channels: Channels
    audit: Audit
    keys: AdminKeys
    now: Now

    async def visible(self, contact: str, principal: Principal) -> Conversation:
        """Return a conversation the caller may see.

        Raises:
            Problem: 404, the same for one that does not exist or is another channel's.
        """
        known = principal.sees(split_contact(contact)[0])
        conversation = await self.changes.store.get(contact) if known else None
        if conversation is None:
            raise Problem("not-found", "no such conversation")
        return conversation

    async def change(self, contact: str, decide: Callable[[Conversation], Change]) -> Conversation:
        """Change a conversation.

        Raises:
            Problem: 404, it was erased meanwhile.
        """
        conversation = await self.changes.of_known(contact, decide)
        if conversation is None:
            raise Problem("not-found", "no such conversation")
        return conversation


def _position(cursor: str | None) -> tuple[datetime, str] | None:
    position = decode_cursor(cursor, 2)
    if position is None:
        return None
    moment, last = position
    if not isinstance(moment, int) or not isinstance(last, str) or not 0 <= moment < 2**43:
        raise Problem("invalid", errors=[{"pointer": "/query/cursor", "detail": "is no cursor of this list"}])
    return from_millis(moment), last


def edit(conversation: Conversation, patch: ConversationPatch, by: str, at: datetime, member: str | None) -> Change:
    """Apply what staff change to a conversation."""
    facts: list[DeskFact] = []
    wanted: dict[str, Any] = patch.model_dump(exclude_unset=True)
    if wanted.get("state") == "resolved":
        facts = resolve(conversation, by, at, member=member)
    elif wanted.get("state") == "open":
        reopen(conversation)
    for name in wanted.keys() & {"assignee", "team", "priority", "tags"}:
        setattr(conversation, name, wanted[name])
    return Change(facts=facts, touched=bool(wanted))


def conversation_routes(inbox: Inbox) -> APIRouter:
    """Return the routes of `/v1/conversations`."""
    router = APIRouter(prefix="/v1/conversations", tags=["conversations"])
    reader = Annotated[Principal, Depends(allowed(inbox.keys, "conversations.read"))]
    writer = Annotated[Principal, Depends(allowed(inbox.keys, "conversations.reply"))]

    @router.get("")
    async def list_conversations(
        principal: reader,
        channel: str | None = None,
        state: Literal["open", "resolved"] | None = None,
        assignee: str | None = None,
        team: str | None = None,
        unread: Annotated[bool | None, Query(description="whether something has not been read")] = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> ConversationPage:
        """List conversations, the one with the newest activity first. One that gets new activity moves to the front."""
        if channel is not None and (not principal.sees(channel) or inbox.channels.get(channel) is None):
            raise Problem("not-found", "no such channel")
        channels = [channel] if channel else principal.only([known.slug for known in inbox.channels])
        wanted = Wanted(state, assignee, team, unread)
        found = await inbox.changes.store.page(channels, wanted, _position(cursor), limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        more = encode_cursor([to_millis(last.last_at), last.id]) if last else None
        return ConversationPage(items=[conversation_view(each) for each in found[:limit]], next_cursor=more)

    @router.get("/{contact}")
    async def get_conversation(contact: str, principal: reader, response: Response) -> ConversationView:
        """Show a conversation; the ETag is its version."""
        conversation = await inbox.visible(contact, principal)
        response.headers["etag"] = etag(conversation.version)
        return conversation_view(conversation, await inbox.people.get(contact))

    @router.patch("/{contact}")
    async def patch_conversation(
        contact: str, body: ConversationPatch, expected: Expected, principal: writer, response: Response
    ) -> ConversationView:
        """Resolve, open again, assign, mark; 412 where it changed since it was read."""
        check_version(expected, (await inbox.visible(contact, principal)).version)
        person = await inbox.people.get(contact)
        await inbox.audit.note(principal.id, "conversations.reply", member_id(contact))

        def decide(conversation: Conversation) -> Change:
            check_version(expected, conversation.version)
            return edit(conversation, body, principal.id, inbox.now(), person.member if person else None)

        changed = await inbox.change(contact, decide)
        response.headers["etag"] = etag(changed.version)
        return conversation_view(changed, person)

    @router.post("/{contact}/read")
    async def read_conversation(contact: str, principal: writer) -> ConversationView:
        """Mark everything as read."""
        await inbox.visible(contact, principal)

        def decide(conversation: Conversation) -> Change:
            touched, conversation.unread = conversation.unread > 0, 0
            return Change(touched=touched)

        return conversation_view(await inbox.change(contact, decide))

    add_thread_routes(router, inbox)
    return router


def add_thread_routes(router: APIRouter, inbox: Inbox) -> None:
    """Add the routes of a conversation's messages."""
    reader = Annotated[Principal, Depends(allowed(inbox.keys, "conversations.read"))]
    writer = Annotated[Principal, Depends(allowed(inbox.keys, "conversations.reply"))]

    @router.get("/{contact}/messages")
    async def list_messages(
        contact: str, principal: reader, cursor: str | None = None, limit: Limit = 50
    ) -> MessagePage:
        """Show the thread, newest first by LINE's time."""
        await inbox.visible(contact, principal)
        found = await inbox.messages.page(contact, _position(cursor), limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        more = encode_cursor([to_millis(last.at), stored_id(last.channel, last.id)]) if last else None
        return MessagePage(items=[message_view(message) for message in found[:limit]], next_cursor=more)

    @router.post("/{contact}/replies", status_code=202)
    async def post_reply(contact: str, body: ReplyBody, key: Idempotency, principal: writer) -> MessageView:
        """Write to the contact: by reply while that is free, else pushed. Its `delivery` says what became of it."""
        await inbox.visible(contact, principal)
        if problems := check_messages(body.said, pointer="/messages"):
            raise Problem("invalid", errors=[{"pointer": each.pointer, "detail": each.detail} for each in problems])
        reply_id = key.object_id("rpl", principal, contact)
        await inbox.audit.note(principal.id, "conversations.reply", member_id(contact))
        sent = await inbox.replies.send(reply_id, contact, body.said, principal.id)
        if sent is None:
            raise Problem("not-found", "no such conversation")
        return message_view(sent)

    @router.post("/{contact}/notes", status_code=201)
    async def post_note(contact: str, body: NoteBody, principal: writer) -> MessageView:
        """Leave a note among staff."""
        conversation = await inbox.visible(contact, principal)
        now = inbox.now()
        note = Message(
            id=new_id("note"),
            channel=conversation.channel,
            contact=contact,
            direction="note",
            kind="note",
            at=now,
            texts=(Text(now, body.text),),
            by=principal.id,
        )
        await inbox.audit.note(principal.id, "conversations.reply", member_id(contact))
        await inbox.messages.add(note)
        return message_view(note)
