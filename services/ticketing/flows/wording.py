"""What a guided chat says, as LINE message objects, and how words are compared. Pure."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from services.ticketing.flows.definition import (
    BaseStep,
    ChoiceQuestion,
    ConfirmQuestion,
    Definition,
    PhotosQuestion,
    Question,
    Script,
    Words,
)
from shared.line import builders
from shared.line.rules import utf16_units

Json = dict[str, Any]

MOST_SUMMARY = 3500
MOST_SHOWN = 300
"""UTF-16 units of one answer in a summary."""


def plain(text: str) -> str:
    """Return a text as words are compared: without letter case, width and outer or doubled spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_one_of(text: str, words: tuple[str, ...]) -> bool:
    """Whether a text is one of some words."""
    return plain(text) in {plain(word) for word in words}


def language_for(script: Script, wanted: str | None) -> str:
    """Return the chat's language for a friend's: the same, else of the same first part, else the chat's first."""
    by_tag = {language.lower(): language for language in reversed(script.languages)}
    by_root = {language.lower().partition("-")[0]: language for language in reversed(script.languages)}
    tag = (wanted or "").lower()
    return by_tag.get(tag) or by_root.get(tag.partition("-")[0]) or script.languages[0]


def clip(text: str, most: int) -> str:
    """Cut a text to `most` UTF-16 units, with … where something is gone."""
    if utf16_units(text) <= most:
        return text
    return text.encode("utf-16-le")[: 2 * (most - 1)].decode("utf-16-le", "ignore") + "…"


def tag_of(session_id: str) -> str:
    """Return the short mark in the buttons of a session, so that those of an earlier one are known."""
    return hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()[:12]


def summary(script: Script, answers: Mapping[str, Any], language: str) -> str:
    """Return the answers, a line each, as a friend or staff reads them."""
    lines = [
        f"{step.label[language]}: {clip(_shown(step, answers[step.id], language), MOST_SHOWN)}"
        for step in script.steps
        if isinstance(step, Question) and step.id in answers
    ]
    return clip("\n".join(lines), MOST_SUMMARY)


def _shown(step: Question, answer: Any, language: str) -> str:
    if isinstance(answer, list):
        return str(len(answer))
    if answer is None:
        return "–"
    if isinstance(step, ChoiceQuestion):
        return next((option.label[language] for option in step.options if option.id == answer), str(answer))
    return str(answer)


def say(words: Words, language: str) -> Json:
    """Return a text without buttons."""
    return builders.text(words[language])


def ask(definition: Definition, session: Mapping[str, Any], step: Question | ConfirmQuestion, words: Words) -> Json:
    """Return a question with its buttons; `words` is its prompt or what is said in its place."""
    language = session["language"]
    text = words[language]
    if isinstance(step, PhotosQuestion):
        got = min(len(session["photos"].get(step.id, ())), step.max)
        text = text.replace("{count}", str(got)).replace("{max}", str(step.max))
    if isinstance(step, ConfirmQuestion):
        text = text.replace("{summary}", summary(definition, session["answers"], language))
    return builders.text(text, quick=_buttons(definition, session, step))


def _buttons(definition: Definition, session: Mapping[str, Any], step: BaseStep) -> list[Json]:
    language, labels = session["language"], definition.buttons
    mark = {"f": tag_of(session["id"]), "q": step.id}
    choices: list[tuple[Words, str, dict[str, str]]] = []
    if isinstance(step, ChoiceQuestion):
        choices = [(option.label, "choose", {"v": option.id}) for option in step.options]
    if isinstance(step, ConfirmQuestion):
        choices = [(labels.accept, "choose", {"v": "yes"}), (labels.decline, "choose", {"v": "no"})]
    if isinstance(step, PhotosQuestion) and session["photos"].get(step.id):
        choices = [(labels.done, "done", {})]
    elif isinstance(step, Question) and step.optional:
        choices.append((labels.skip, "skip", {}))
    choices.append((labels.cancel, "cancel", {}))
    return [
        builders.postback(
            words[language], urlencode({"a": f"flow.{verb}", **mark, **more}), display_text=words[language]
        )
        for words, verb, more in choices
    ]
