"""Growth: what an item costs at three sizes. Where all is well it is as much at the largest as at the smallest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log
from statistics import fmean, median

from benchmarks.measure import CannotRun, Contender, Outcome, Sample

MeasureAt = Callable[[int], Sample]
Figure = Callable[[Sample], float]


def cpu_us(sample: Sample) -> float:
    """CPU microseconds an item."""
    return sample.cpu_us


def peak_mb(sample: Sample) -> float:
    """The most memory a process held, in MB (its note `rss_mb`)."""
    return sample.notes["rss_mb"]


def grown(
    sizes: Sequence[int], measure: MeasureAt, rounds: int, *, name: str, figure: Figure = cpu_us, **notes: float | str
) -> Outcome:
    """Measure every size in every round; the figure at the largest ÷ at the smallest, median of the rounds.

    The note `exponent` is the slope of the fitted line through log(figure) over log(size): 0 is flat.

    Raises:
        CannotRun: nothing was done at a size.
    """
    found = [{size: _worked(size, measure(size)) for size in sizes} for _ in range(rounds)]
    first, last = sizes[0], sizes[-1]
    ratios = [figure(each[last]) / figure(each[first]) for each in found]
    medians = {size: median(figure(each[size]) for each in found) for size in sizes}
    remark = ", ".join(f"{size:,}: {value:.3g}" for size, value in medians.items())
    return Outcome(
        median(ratios),
        min(ratios),
        max(ratios),
        Contender.of(f"{name}, {last:,}", [each[last] for each in found]),
        Contender.of(f"{name}, {first:,}", [each[first] for each in found]),
        [_round(each, figure) for each in found],
        {**notes, "exponent": _slope(medians), "remark": remark},
    )


def _worked(size: int, sample: Sample) -> Sample:
    if sample.items < 1:
        raise CannotRun(f"nothing was done at {size}; more --seconds may help")
    return sample


def _round(samples: Mapping[int, Sample], figure: Figure) -> Mapping[str, float]:
    figures = {f"figure_{size}": figure(sample) for size, sample in samples.items()}
    return figures | {f"rate_{size}": sample.rate for size, sample in samples.items()}


def _slope(points: Mapping[int, float]) -> float:
    x = [log(size) for size in points]
    y = [log(value) for value in points.values()]
    x_mean, y_mean = fmean(x), fmean(y)
    square = sum((each - x_mean) ** 2 for each in x)
    return sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True)) / square
