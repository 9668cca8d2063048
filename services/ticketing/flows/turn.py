"""One turn of a guided chat: what arrived, before the question it finds. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from services.ticketing.flows.definition import (
    ChoiceQuestion,
    ConfirmQuestion,
    Definition,
    PhoneQuestion,
    PhotosQuestion,
    Question,
    TextQuestion,
)
from services.ticketing.flows.phones import normalise_phone
from services.ticketing.flows.photos import MOST_KEPT, all_whole, in_order, read_photo
from services.ticketing.flows.session import Cancelled, Incoming, Step, after, expiry, go_to
from services.ticketing.flows.wording import ask, is_one_of, plain, say, tag_of
from shared.mongo import Document

EVENTS_REMEMBERED = 20
PREFIX = "flow."
"""Of the action `a` in the postbacks of a chat's buttons: `a=flow.choose|skip|done|cancel&f=…&q=…&v=…`."""


def is_known(session: Document, incoming: Incoming) -> bool:
    """Whether a session has taken this event or photo before."""
    if incoming.event_id and incoming.event_id in session["events"]:
        return True
    photos = (photo["id"] for photos in session["photos"].values() for photo in photos)
    return incoming.kind == "image" and incoming.message_id in photos


class Turn:
    """One thing that arrived, before the question it finds; `session` is this turn's own copy."""

    def __init__(self, definition: Definition, session: Document, incoming: Incoming, at: datetime) -> None:
        self.definition = definition
        self.session = session
        self.incoming = incoming
        self.text = _readable(incoming.text) if incoming.kind == "text" else ""
        if incoming.event_id:
            session["events"] = [*session["events"], incoming.event_id][-EVENTS_REMEMBERED:]
        session["expires_at"] = max(session["expires_at"], expiry(definition, at))

    def take(self) -> Step | None:
        """Return what follows; None where this is nothing for the chat."""
        step = next(each for each in self.definition.steps if each.id == self.session["step"])
        if not isinstance(step, Question | ConfirmQuestion):
            raise ValueError("a session waits only at questions")
        if self.incoming.kind == "postback":
            return self._press(step)
        if self.text and is_one_of(self.text, self.definition.cancel_words):
            return self._cancel()
        if self.incoming.kind == "image" and self.incoming.message_id:
            return self._photo(step, self.incoming.message_id)
        if self.text and isinstance(step, Question) and step.optional and self._skips():
            return self._skip(step)
        return self._words(step)

    def _skips(self) -> bool:
        return is_one_of(self.text, (*self.definition.skip_words, *self.definition.buttons.skip.values()))

    def _cancel(self) -> Step:
        return Step(None, [say(self.definition.cancelled, self.session["language"])], Cancelled())

    def _press(self, step: Question | ConfirmQuestion) -> Step | None:
        """Take a button. One of another chat or of a question already answered is a second tap: nothing follows."""
        pressed = _read_postback(self.incoming.postback)
        verb = pressed.get("a", "").removeprefix(PREFIX)
        if not pressed.get("a", "").startswith(PREFIX) or pressed.get("f") != tag_of(self.session["id"]):
            return None
        if verb == "cancel":
            return self._cancel()
        if pressed.get("q") != step.id:
            return None
        match step, verb:
            case ChoiceQuestion(), "choose" if pressed.get("v") in {option.id for option in step.options}:
                return self._answer(step, pressed["v"])
            case ConfirmQuestion(), "choose" if pressed.get("v") in ("yes", "no"):
                return self._confirm(step, yes=pressed["v"] == "yes")
            case PhotosQuestion(), "done":
                return self._done(step)
            case Question(), "skip" if step.optional:
                return self._skip(step)
        return None

    def _words(self, step: Question | ConfirmQuestion) -> Step:
        """Take a text, or ask again where it is no answer."""
        match step:
            case TextQuestion() if step.min_length <= len(self.text) <= step.max_length:
                return self._answer(step, self.text)
            case PhoneQuestion() if phone := normalise_phone(self.text, step.countries):
                return self._answer(step, phone)
            case ChoiceQuestion() if self.text and (option := _option(step, self.text)):
                return self._answer(step, option)
            case PhotosQuestion() if self.text and self._finishes():
                return self._done(step)
            case ConfirmQuestion() if self.text and (yes := self._says_yes()) is not None:
                return self._confirm(step, yes=yes)
        return self._again(step)

    def _finishes(self) -> bool:
        return is_one_of(self.text, (*self.definition.done_words, *self.definition.buttons.done.values()))

    def _says_yes(self) -> bool | None:
        buttons = self.definition.buttons
        if is_one_of(self.text, tuple(buttons.accept.values())):
            return True
        return False if is_one_of(self.text, tuple(buttons.decline.values())) else None

    def _answer(self, step: Question, value: Any) -> Step:
        self.session["answers"][step.id] = value
        if self.incoming.message_id and not isinstance(step, PhotosQuestion):
            self.session["messages"][step.id] = self.incoming.message_id
        return go_to(self.definition, self.session, after(self.definition, self.session, step))

    def _skip(self, step: Question) -> Step:
        if isinstance(step, PhotosQuestion):
            return self._answer(step, self._ordered(step))
        return self._answer(step, None)

    def _confirm(self, step: ConfirmQuestion, *, yes: bool) -> Step:
        if yes:
            return go_to(self.definition, self.session, after(self.definition, self.session, step))
        if step.on_no == "cancel":
            return self._cancel()
        self.session |= {"answers": {}, "messages": {}, "photos": {}}
        return go_to(self.definition, self.session, self.definition.steps[0].id)

    def _again(self, step: Question | ConfirmQuestion) -> Step:
        words = step.again or step.prompt
        if isinstance(step, PhotosQuestion) and self.session["photos"].get(step.id):
            words = step.more
        return Step(self.session, [ask(self.definition, self.session, step, words)])

    def _done(self, step: PhotosQuestion) -> Step:
        if len(self.session["photos"].get(step.id, ())) < step.min:
            return self._again(step)
        return self._answer(step, self._ordered(step))

    def _ordered(self, step: PhotosQuestion) -> list[str]:
        return in_order(self.session["photos"].get(step.id, ()))[: step.max]

    def _photo(self, step: Question | ConfirmQuestion, message_id: str) -> Step:
        """Take a photo: for this question, for an earlier one whose set it completes late, or for none."""
        photo = read_photo(message_id, self.incoming.image_set)
        earlier = self._question_of_set(photo["set"])
        if earlier is not None and earlier.id != step.id:
            self._keep(earlier, photo)
            self.session["answers"][earlier.id] = self._ordered(earlier)
            return Step(self.session)
        if isinstance(step, PhotosQuestion):
            first_of_set = earlier is None
            self._keep(step, photo)
            return self._photos_so_far(step, photo, first_of_set=first_of_set)
        if photo["set"] is not None and photo["set"] == self.session["refused_set"]:
            return Step(self.session)
        self.session["refused_set"] = photo["set"]
        return self._again(step)

    def _question_of_set(self, set_id: str | None) -> PhotosQuestion | None:
        for step in self.definition.steps:
            kept = self.session["photos"].get(step.id, ())
            if isinstance(step, PhotosQuestion) and set_id and any(photo["set"] == set_id for photo in kept):
                return step
        return None

    def _keep(self, step: PhotosQuestion, photo: Document) -> None:
        kept = self.session["photos"].setdefault(step.id, [])
        if len(kept) < MOST_KEPT:
            kept.append(photo)

    def _photos_so_far(self, step: PhotosQuestion, photo: Document, *, first_of_set: bool) -> Step:
        """Go on once a set is whole or no more may come; after a photo whose followers nobody knows, ask for more."""
        kept = self.session["photos"][step.id]
        whole = all_whole(kept)
        if len(kept) >= step.max or (whole and photo["total"] is not None and len(kept) >= step.min):
            return self._answer(step, self._ordered(step))
        if not whole or (photo["set"] is not None and photo["total"] is None and not first_of_set):
            return Step(self.session)
        return Step(self.session, [ask(self.definition, self.session, step, step.more)])


def _readable(text: str | None) -> str:
    """Return a text that can be stored and sent: valid Unicode, no control characters, no outer spaces."""
    whole = (text or "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return "".join(char for char in whole if char in "\n\t" or char.isprintable() or char > "\x9f").strip()


def _read_postback(data: str | None) -> dict[str, str]:
    try:
        return dict(parse_qsl(data or "", max_num_fields=20))
    except ValueError:
        return {}


def _option(step: ChoiceQuestion, text: str) -> str | None:
    said = plain(text)
    for option in step.options:
        if said in {plain(label) for label in option.label.values()} | {option.id}:
            return option.id
    place = int(said) if said.isascii() and said.isdigit() and len(said) <= 2 else 0
    return step.options[place - 1].id if 1 <= place <= len(step.options) else None
