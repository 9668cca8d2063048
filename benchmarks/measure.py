"""Interleaved rounds and their medians: on a shared machine only what was measured side by side can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


class CannotRun(Exception):
    """A benchmark could not be run; its text says why."""


@dataclass(frozen=True)
class Sample:
    """One contender's work in one round; `items` are requests or records, `cpu_seconds` those of its process alone."""

    items: int
    seconds: float
    cpu_seconds: float
    notes: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU microseconds an item."""
        return self.cpu_seconds / self.items * 1e6


@dataclass(frozen=True)
class Contender:
    """Medians over the rounds."""

    name: str
    rate: float
    cpu_us: float

    @classmethod
    def of(cls, name: str, samples: Sequence[Sample]) -> Contender:
        """Return the medians of one contender's samples."""
        return cls(name, median(sample.rate for sample in samples), median(sample.cpu_us for sample in samples))


@dataclass(frozen=True)
class Outcome:
    """A benchmark's result: the median over the rounds, with the lowest and the highest of them."""

    value: float
    lowest: float
    highest: float
    subject: Contender
    yardstick: Contender | None
    rounds: Sequence[Mapping[str, float]]
    notes: Mapping[str, float | str] = field(default_factory=dict)


Measure = Callable[[], Sample]
Compare = Callable[[Sample, Sample], float]


def rates(ours: Sample, theirs: Sample) -> float:
    """Return how many times as much is done in a second."""
    return ours.rate / theirs.rate


def costs(ours: Sample, theirs: Sample) -> float:
    """Return how many times as much CPU an item takes."""
    return ours.cpu_us / theirs.cpu_us


def side_by_side(
    rounds: int,
    subject: tuple[str, Measure],
    yardstick: tuple[str, Measure],
    compare: Compare = rates,
    **notes: float | str,
) -> Outcome:
    """Measure both in every round, by turns first, and return the median of the rounds' ratios.

    Raises:
        CannotRun: one of them did nothing in a round.
    """
    ours: list[Sample] = []
    theirs: list[Sample] = []
    for number in range(rounds):
        turns = [(subject, ours), (yardstick, theirs)]
        for (name, measure), samples in reversed(turns) if number % 2 else turns:
            samples.append(_worked(name, measure()))
    ratios = [compare(our, their) for our, their in zip(ours, theirs, strict=True)]
    return Outcome(
        median(ratios),
        min(ratios),
        max(ratios),
        Contender.of(subject[0], ours),
        Contender.of(yardstick[0], theirs),
        [_round(ratio, our, their) for ratio, our, their in zip(ratios, ours, theirs, strict=True)],
        notes,
    )


def _worked(name: str, sample: Sample) -> Sample:
    if sample.items < 1 or sample.seconds <= 0:
        raise CannotRun(f"{name} finished nothing in a round; more --seconds may help")
    return sample


def _round(ratio: float, subject: Sample, yardstick: Sample) -> dict[str, float]:
    return {
        "ratio": ratio,
        "subject_rate": subject.rate,
        "subject_cpu_us": subject.cpu_us,
        "yardstick_rate": yardstick.rate,
        "yardstick_cpu_us": yardstick.cpu_us,
        **{f"subject_{name}": value for name, value in subject.notes.items()},
        **{f"yardstick_{name}": value for name, value in yardstick.notes.items()},
    }
