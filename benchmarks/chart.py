"""The same figures as a picture: how far each is from its goals, on one scale, as plain SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

from benchmarks.results import Entry

WIDTH, LEFT, RIGHT, TOP, ROW = 1060, 500, 110, 70, 44
LEAST, MOST = 0.25, 16.0
"""Times "good" at the two ends of the scale; what lies beyond is drawn at the end."""
COLOURS = {"very good": "#1a7f37", "good": "#57ab5a", "below": "#d4a72c"}
TICKS = (0.25, 0.5, 1, 2, 4, 8, 16)


def draw(found: Mapping[str, Entry], day: str) -> str:
    """Return an SVG: a bar a benchmark, its figure ÷ what is called good; good ÷ figure where lower is better."""
    height = TOP + ROW * len(found) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif"'
        f' font-size="13" role="img" aria-label="Benchmarks of {escape(day)}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="16" y="28" font-size="17" fill="#1f2328">Musubi, {escape(day)}: figures ÷ “good”</text>',
        _text(16, 48, "bar: median; line: lowest to highest round; diamond: very good", "#59636e"),
        *_scale(height - 30),
    ]
    for number, (name, entry) in enumerate(found.items()):
        parts += _row(name, entry, TOP + ROW * number)
    return "\n".join([*parts, "</svg>", ""])


def _scale(bottom: int) -> Sequence[str]:
    lines = []
    for tick in TICKS:
        x, colour, width = _x(tick), "#1f2328" if tick == 1 else "#d1d9e0", 2 if tick == 1 else 1
        lines.append(f'<line x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{bottom}" stroke="{colour}" stroke-width="{width}"/>')
        lines.append(_text(x, bottom + 18, "good" if tick == 1 else f"{tick:g}×", "#59636e", "middle"))
    return lines


def _row(name: str, entry: Entry, top: int) -> Sequence[str]:
    middle = top + ROW // 2 - 4
    start, end = _x(LEAST), _x(_to_good(entry, "value"))
    low, high = sorted((_x(_to_good(entry, "lowest")), _x(_to_good(entry, "highest"))))
    goal = _x(_to_good(entry, "very_good"))
    unit = " ms" if entry["unit"] == "ms" else "×"
    return [
        _text(16, middle - 2, f"{name}  {entry['subject']['name']}", "#1f2328"),
        _text(16, middle + 14, entry["title"], "#59636e", size=10),
        f'<rect x="{start}" y="{middle - 9}" width="{max(1.0, end - start):.1f}" height="18" rx="3"'
        f' fill="{COLOURS[entry["verdict"]]}"/>',
        f'<line x1="{low}" x2="{high}" y1="{middle}" y2="{middle}" stroke="#1f2328" stroke-width="2"/>',
        f'<path d="M{goal} {middle - 5} l5 5 l-5 5 l-5 -5 z" fill="#8250df"/>',
        _text(WIDTH - RIGHT + 12, middle + 5, f"{entry['value']:.3g}{unit}", "#1f2328"),
    ]


def _to_good(entry: Entry, figure: str) -> float:
    value, good = float(entry[figure]), float(entry["good"])
    return good / value if entry["lower_is_better"] else value / good


def _x(times_good: float) -> float:
    share = (log10(min(MOST, max(LEAST, times_good))) - log10(LEAST)) / (log10(MOST) - log10(LEAST))
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _text(x: float, y: float, words: str, colour: str, anchor: str = "start", size: int = 13) -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" font-size="{size}">{escape(words)}</text>'
