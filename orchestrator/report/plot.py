"""The plots, as SVG that stands in the page.

The colours are in the marks, for no style sheet reaches the pictures of a PDF; a title says in
words what a plot shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from itertools import pairwise

from orchestrator.records import MeasureState
from orchestrator.report.colours import STATES
from orchestrator.report.past import Point
from orchestrator.report.wording import Wording

_WIDTH, _HEIGHT = 720, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 6, 10, 24
_INK, _RULE = "#525c69", "#d5dbe3"
_FONT = 'font-family="system-ui, DejaVu Sans, sans-serif" font-size="11"'
Counts = Mapping[MeasureState, int]


@dataclass(frozen=True)
class _Scale:
    """From moments and numbers of measures to the places of the drawing."""

    begin: datetime
    end: datetime
    top: int

    def x(self, moment: datetime) -> float:
        share = (moment - self.begin) / (self.end - self.begin)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, measures: float) -> float:
        return _HEIGHT - _BOTTOM - measures / self.top * (_HEIGHT - _TOP - _BOTTOM)


def bar(counts: Counts, label: str, *, height: int = 10) -> str:
    """A bar of one row, its parts as long as the states are many."""
    total = sum(counts.values())
    parts, at = [], 0.0
    for state, shade in STATES.items():
        width = counts[state] / total * 100
        if width:
            parts.append(
                f'<rect x="{at:.2f}" width="{width:.2f}" height="{height}" fill="{shade.fill}"/>'
            )
        at += width
    return (
        f'<svg class="bar" viewBox="0 0 100 {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def trend(points: Sequence[Point], now: datetime, label: str, words: Wording) -> str:
    """How many measures stood where over time; each run holds until the next, or until `now`."""
    begin = datetime.fromisoformat(points[0].run.started)
    total = max(sum(point.counts.values()) for point in points if point.counts)
    scale = _Scale(begin, max(now, begin + timedelta(minutes=1)), total)
    drawn = [*_grid(scale), *_bands(points, scale), *_axis(scale, words)]
    return (
        f'<svg class="trend" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-labelledby="trend-label" {_FONT}><title id="trend-label">{escape(label)}</title>'
        f"{''.join(drawn)}</svg>"
    )


def _bands(points: Sequence[Point], scale: _Scale) -> Iterator[str]:
    """One area a state over each stretch of runs that saw everything; between them a gap."""
    for stretch in _stretches(points, scale.end):
        below = [0] * len(stretch)
        for state, shade in STATES.items():
            above = [
                low + counts[state] for low, (counts, _, _) in zip(below, stretch, strict=True)
            ]
            if above != below:
                upper = [_steps(*one, scale) for one in zip(above, stretch, strict=True)]
                lower = [_steps(*one, scale) for one in zip(below, stretch, strict=True)]
                outline = [*upper, *(" ".join(step.split()[::-1]) for step in lower[::-1])]
                yield f'<polygon points="{" ".join(outline)}" fill="{shade.fill}"/>'
            below = above


def _steps(height: int, span: tuple[Counts, datetime, datetime], scale: _Scale) -> str:
    y = scale.y(height)
    return f"{scale.x(span[1]):.1f},{y:.1f} {scale.x(span[2]):.1f},{y:.1f}"


def _stretches(
    points: Sequence[Point], end: datetime
) -> Iterator[list[tuple[Counts, datetime, datetime]]]:
    """Runs in a row that saw everything: their counts, from when and until when they hold."""
    moments = [datetime.fromisoformat(point.run.started) for point in points] + [end]
    stretch: list[tuple[Counts, datetime, datetime]] = []
    for point, (begin, until) in zip(points, pairwise(moments), strict=True):
        if point.counts is not None:
            stretch.append((point.counts, begin, until))
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _grid(scale: _Scale) -> Iterator[str]:
    step = 25 if scale.top > 30 else max(scale.top // 2, 1)
    marks = [value for value in range(0, scale.top, step) if scale.top - value > step / 3]
    for value in [*marks, scale.top]:
        y = scale.y(value)
        yield (
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="{_RULE}"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" '
            f'fill="{_INK}">{value}</text>'
        )


def _axis(scale: _Scale, words: Wording) -> Iterator[str]:
    """Months below a year, days below a month, times below a day or two."""
    for moment, label in _ticks(scale, words):
        x = scale.x(moment)
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_HEIGHT - _BOTTOM}" '
            f'y2="{_HEIGHT - _BOTTOM + 4}" stroke="{_INK}"/>'
            f'<text x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="{_anchor(x)}" '
            f'fill="{_INK}">{escape(label)}</text>'
        )


def _anchor(x: float) -> str:
    if x < _LEFT + 24:
        return "start"
    return "end" if x > _WIDTH - _RIGHT - 24 else "middle"


def _ticks(scale: _Scale, words: Wording) -> Iterator[tuple[datetime, str]]:
    span = scale.end - scale.begin
    if span > timedelta(days=75):
        first = scale.begin.replace(day=1, hour=0, minute=0, second=0)
        for number in range(1, 14):
            years, month = divmod(first.month - 1 + number, 12)
            moment = first.replace(year=first.year + years, month=month + 1)
            if moment < scale.end:
                label = words.month(moment)
                yield moment, f"{label} {moment.year}" if moment.month == 1 else label
        return
    for part in range(6):
        moment = scale.begin + span * part / 5
        if span > timedelta(days=4):
            yield moment, f"{moment.day} {words.month(moment)}"
        elif part in (0, 5):
            yield moment, words.moment(moment.isoformat())
