"""Counters by bucket and series, to be asked for sums: what reports are built from. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from services.insights.counters.store import Count


class Table:
    """The counters of a period, of the metrics a report needs."""

    def __init__(self, counts: Iterable[Count]) -> None:
        self._by_label: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        self._all: Counter[tuple[str, str]] = Counter()
        for metric, dimension, label, value in counts:
            self._by_label[label][metric, dimension] += value
            self._all[metric, dimension] += value

    def series(self, label: str | None = None) -> Counter[tuple[str, str]]:
        """Return the counts by (metric, dimension) of one bucket, or of the whole period."""
        return self._all if label is None else self._by_label.get(label, Counter())

    def sum(self, metric: str, label: str | None = None, where: Callable[[str], bool] = lambda _: True) -> int:
        """Return a metric's sum over its dimensions, or those chosen, in one bucket or the whole period."""
        return sum(value for (name, dim), value in self.series(label).items() if name == metric and where(dim))

    def by(self, metric: str, label: str | None = None) -> dict[str, int]:
        """Return a metric's counts by dimension, in one bucket or the whole period."""
        return {dim: value for (name, dim), value in sorted(self.series(label).items()) if name == metric}
