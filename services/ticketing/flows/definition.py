"""What a guided chat is: languages, questions in their order, and the words that skip, finish or cancel. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.ticketing.flows.phones import Country
from shared.line.rules import Problem, graphemes, utf16_units

END = "end"
"""As a `next`: the chat is completed there."""
MOST_STEPS = 40
MOST_OPTIONS = 11
"""LINE: a message has at most 13 quick replies; skip and cancel take two."""
MOST_LABEL = 20
"""LINE: a button's label in graphemes."""
MOST_WORDS = 1000
MOST_SAYS = 3
"""LINE: at most 5 messages a reply: a remark, these, and the next question."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
StepId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Words = dict[Language, Annotated[str, Field(min_length=1, max_length=MOST_WORDS)]]
"""A text in each language of the chat; `{name}` becomes the friend's name when it is sent."""
WordList = tuple[Annotated[str, Field(min_length=1, max_length=40)], ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseStep(_Frozen):
    """What every step has."""

    id: StepId
    next: StepId | None = None
    """Where it goes on: a later step or `end`; absent means the step after it."""


class Question(BaseStep):
    """A step that waits for an answer and keeps it under its id."""

    label: Words
    """How the answer is called in summaries."""
    prompt: Words
    again: Words | None = None
    """Said before the question is repeated, where an answer will not do."""
    optional: bool = False
    """Whether a skip word or the skip button leaves it out; the answer is null then."""


class TextQuestion(Question):
    """Asks for words; lengths in characters."""

    kind: Literal["text"] = "text"
    min_length: Annotated[int, Field(ge=1, le=2000)] = 1
    max_length: Annotated[int, Field(ge=1, le=2000)] = 500


class PhoneQuestion(Question):
    """Asks for a phone number; the answer is E.164. `countries`: whose home forms are understood, first fit first."""

    kind: Literal["phone"] = "phone"
    countries: Annotated[tuple[Country, ...], Field(min_length=1)] = ("TW", "JP", "TH")


class Option(_Frozen):
    """One button of a choice; its `id` is the answer."""

    id: StepId
    label: Words


class ChoiceQuestion(Question):
    """Asks to pick: by button, by typing the label in any of the languages, or by its number from 1."""

    kind: Literal["choice"] = "choice"
    options: Annotated[tuple[Option, ...], Field(min_length=1, max_length=MOST_OPTIONS)]


class PhotosQuestion(Question):
    """Asks for photos; the answer is their message ids in the sender's order.

    `more` is said when photos have come and more may; `{count}` and `{max}` in it are filled.
    """

    kind: Literal["photos"] = "photos"
    min: Annotated[int, Field(ge=1, le=20)] = 1
    max: Annotated[int, Field(ge=1, le=20)] = 5
    more: Words


class ConfirmQuestion(BaseStep):
    """Shows the answers (`{summary}` in the prompt) and asks yes or no; no asks all again, or cancels."""

    kind: Literal["confirm"] = "confirm"
    prompt: Words
    again: Words | None = None
    on_no: Literal["restart", "cancel"] = "restart"


class Say(BaseStep):
    """Says something and goes on."""

    kind: Literal["say"] = "say"
    text: Words


class Branch(BaseStep):
    """Goes on by the answer to an earlier choice: `when` maps its option ids to later steps or `end`, else `next`."""

    kind: Literal["branch"] = "branch"
    on: StepId
    when: Annotated[dict[StepId, StepId], Field(min_length=1)]


AnyStep = Annotated[
    TextQuestion | PhoneQuestion | ChoiceQuestion | PhotosQuestion | ConfirmQuestion | Say | Branch,
    Field(discriminator="kind"),
]


class Buttons(_Frozen):
    """Labels of the buttons under questions; `accept` and `decline` answer a confirm step."""

    skip: Words
    done: Words
    cancel: Words
    accept: Words
    decline: Words


class Script(_Frozen):
    """What staff publish: everything of a chat but its name and version."""

    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=10)]
    """The first is used for friends whose language is none of these."""
    start_words: WordList = ()
    """Texts that start it, compared without case, width and outer spaces."""
    cancel_words: Annotated[WordList, Field(min_length=1)]
    skip_words: WordList = ()
    done_words: WordList = ()
    buttons: Buttons
    timeout_minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60)]
    """So long without an answer ends it."""
    ticket_kind: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = None
    """The kind of the ticket that completing it opens; null opens none."""
    completed: Words
    """`{number}` in it is the opened ticket's."""
    cancelled: Words
    timed_out: Words
    steps: Annotated[tuple[AnyStep, ...], Field(min_length=1, max_length=MOST_STEPS)]

    @model_validator(mode="after")
    def _holds_together(self) -> Script:
        if found := problems(self):
            raise Unsound(found)
        return self


class Unsound(ValueError):
    """The parts of a script do not fit together; each problem points at one of them."""

    def __init__(self, found: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.pointer}: {problem.detail}" for problem in found))
        self.problems = found


class Definition(Script):
    """A published chat. Version 0 is the built-in one, an account's own count from 1."""

    name: Name
    version: Annotated[int, Field(ge=0)]


def problems(script: Script) -> list[Problem]:
    """Return what does not fit together: a language missing, a label too long, a step that leads nowhere."""
    return [*_language_problems(script), *_label_problems(script), *_step_problems(script)]


def _words_of(model: BaseModel, pointer: str) -> Iterator[tuple[str, Words]]:
    """Yield every text of a model, at any depth, with its JSON pointer."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        here = f"{pointer}/{name}"
        if isinstance(value, BaseModel):
            yield from _words_of(value, here)
        elif isinstance(value, tuple):
            for index, each in enumerate(value):
                if isinstance(each, BaseModel):
                    yield from _words_of(each, f"{here}/{index}")
        elif isinstance(value, dict) and name != "when":
            yield here, value


def _language_problems(script: Script) -> Iterator[Problem]:
    for pointer, words in _words_of(script, ""):
        for language in script.languages:
            if language not in words:
                yield Problem(f"{pointer}/{language}", "is required: it is one of the languages")
        for language, text in words.items():
            if language not in script.languages:
                yield Problem(f"{pointer}/{language}", "is none of the languages")
            elif utf16_units(text) > 2 * MOST_WORDS or any("\ud800" <= char <= "\udfff" for char in text):
                yield Problem(f"{pointer}/{language}", "must be valid Unicode")


def _label_problems(script: Script) -> Iterator[Problem]:
    labels = list(_words_of(script.buttons, "/buttons"))
    for index, step in enumerate(script.steps):
        if isinstance(step, ChoiceQuestion):
            for place, option in enumerate(step.options):
                labels.append((f"/steps/{index}/options/{place}/label", option.label))
    for pointer, words in labels:
        for language, text in words.items():
            if graphemes(text) > MOST_LABEL:
                yield Problem(f"{pointer}/{language}", f"a button has at most {MOST_LABEL} characters")


def _step_problems(script: Script) -> Iterator[Problem]:
    order = {step.id: index for index, step in enumerate(script.steps)}
    seen: set[str] = set()
    for index, step in enumerate(script.steps):
        here = f"/steps/{index}"
        if step.id in seen or step.id == END:
            yield Problem(f"{here}/id", "must be unique and not `end`")
        seen.add(step.id)
        yield from _target_problems(step, order, index, here)
        yield from _own_problems(step, script, order, index, here)
    if script.ticket_kind is None:
        for language, text in script.completed.items():
            if "{number}" in text:
                yield Problem(f"/completed/{language}", "no ticket is opened, so there is no {number}")
    if not _comes_to_a_question(script, order):
        yield Problem("/steps", "must come to a question before the end")


def _comes_to_a_question(script: Script, order: dict[str, int]) -> bool:
    """Whether the first steps lead to a question: no answer can turn them elsewhere yet."""
    index = 0
    while index < len(script.steps):
        step = script.steps[index]
        if isinstance(step, Question | ConfirmQuestion):
            return True
        after = index + 1 if step.next is None else order.get(step.next, len(script.steps))
        index = max(after, index + 1)
    return False


def _target_problems(step: AnyStep, order: dict[str, int], index: int, here: str) -> Iterator[Problem]:
    targets = [(f"{here}/next", step.next)] if step.next is not None else []
    if isinstance(step, Branch):
        targets += [(f"{here}/when/{value}", target) for value, target in step.when.items()]
    for pointer, target in targets:
        if target != END and order.get(target, -1) <= index:
            yield Problem(pointer, "must name a later step or `end`")


def _own_problems(step: AnyStep, script: Script, order: dict[str, int], index: int, here: str) -> Iterator[Problem]:
    match step:
        case TextQuestion() if step.min_length > step.max_length:
            yield Problem(f"{here}/min_length", "must not be above max_length")
        case PhotosQuestion() if step.min > step.max:
            yield Problem(f"{here}/min", "must not be above max")
        case ChoiceQuestion() if len({option.id for option in step.options}) < len(step.options):
            yield Problem(f"{here}/options", "must have different ids")
        case Branch():
            yield from _branch_problems(step, script, order, index, here)
        case Say() if _says_from(script, index) > MOST_SAYS:
            yield Problem(here, f"at most {MOST_SAYS} steps may say something before a question or the end")


def _branch_problems(step: Branch, script: Script, order: dict[str, int], index: int, here: str) -> Iterator[Problem]:
    asked = script.steps[order[step.on]] if order.get(step.on, index) < index else None
    if not isinstance(asked, ChoiceQuestion):
        yield Problem(f"{here}/on", "must name an earlier choice")
        return
    known = {option.id for option in asked.options}
    for value in step.when:
        if value not in known:
            yield Problem(f"{here}/when/{value}", f"is no option of {asked.id}")


def _says_from(script: Script, index: int) -> int:
    """Return how many `say` steps may come one after another from here on; targets are later ones only."""
    longest = [0] * (len(script.steps) + 1)
    order = {step.id: place for place, step in enumerate(script.steps)}
    for place in range(len(script.steps) - 1, index - 1, -1):
        step = script.steps[place]
        targets = [step.next] if step.next is not None else []
        after = [order.get(target, len(script.steps)) for target in targets] or [place + 1]
        if isinstance(step, Branch):
            after += [order.get(target, len(script.steps)) for target in step.when.values()]
        if isinstance(step, Say | Branch):
            longest[place] = isinstance(step, Say) + max((longest[each] for each in after if each > place), default=0)
    return longest[index]
