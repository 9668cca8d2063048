"""What a benchmark is: a ratio with goals, and a function that measures it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.measure import Outcome


@dataclass(frozen=True)
class Goal:
    """A ratio (higher is better unless `cost`) or a time in milliseconds (lower is better), and what is called good."""

    id: str
    title: str
    seen: str
    """What earlier trials gave, for comparison."""
    good: float
    very_good: float
    unit: str = "×"
    cost: bool = False
    """A ratio of costs: lower is better."""

    @property
    def lower_is_better(self) -> bool:
        """Whether it is a time or a cost."""
        return self.cost or self.unit == "ms"

    def verdict(self, value: float) -> str:
        """Return `very good`, `good` or `below`."""
        if self.lower_is_better:
            return "very good" if value <= self.very_good else "good" if value <= self.good else "below"
        return "very good" if value >= self.very_good else "good" if value >= self.good else "below"

    def written(self, limit: float) -> str:
        """Return a goal as people write it: `≥ 0.7`, `≤ 50 ms`."""
        unit = " ms" if self.unit == "ms" else ""
        return f"{'≤' if self.lower_is_better else '≥'} {limit:g}{unit}"


@dataclass(frozen=True)
class Benchmark:
    """A file of this folder."""

    goal: Goal
    run: Callable[[Bench], Outcome]
    """Raises CannotRun, and StackError where a process does not start; a bad figure is no error."""
