"""What a benchmark is: a ratio with goals, and a function that measures it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.measure import Outcome


@dataclass(frozen=True)
class Goal:
    """A ratio (higher is better) or a time in milliseconds (lower is better), and what is called good."""

    id: str
    title: str
    seen: str
    """What earlier trials gave, for comparison."""
    good: float
    very_good: float
    unit: str = "×"

    @property
    def lower_is_better(self) -> bool:
        """Whether it is a time."""
        return self.unit == "ms"

    def verdict(self, value: float) -> str:
        """Return `very good`, `good` or `below`."""
        if self.lower_is_better:
            return "very good" if value <= self.very_good else "good" if value <= self.good else "below"
        return "very good" if value >= self.very_good else "good" if value >= self.good else "below"

    def written(self, limit: float) -> str:
        """Return a goal as people write it: `≥ 0.7×`, `≤ 50 ms`."""
        return f"≤ {limit:g} ms" if self.lower_is_better else f"≥ {limit:g}"


@dataclass(frozen=True)
class Benchmark:
    """A file of this folder."""

    goal: Goal
    run: Callable[[Bench], Outcome]
    """Raises CannotRun, and StackError where a process does not start; a bad figure is no error."""
