"""The findings of each host over the nights, as SVG that stands in the page.

Hosts differ in colour and in dashes: either tells them apart. A title says in words what is shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from orchestrator.drift.memory import Look

_WIDTH, _HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 12, 12, 26
_INK, _RULE, _WRONG = "#525c69", "#d5dbe3", "#9c221d"
_FONT = 'font-family="system-ui, DejaVu Sans, sans-serif" font-size="11"'
_LINES = (("#173f66", ""), ("#b4560c", "7 4"), ("#3d7d5f", "2 3"), ("#7a4a94", "9 3 2 3"))
_LABELS = 6  # nights that are named below


@dataclass(frozen=True)
class Line:
    """How a host is drawn."""

    host: str
    colour: str
    dashes: str


def lines_of(hosts: Sequence[str]) -> list[Line]:
    """A line for each host; beyond four they begin again."""
    return [Line(host, *_LINES[n % len(_LINES)]) for n, host in enumerate(hosts)]


def trend(looks: Sequence[Look], lines: Sequence[Line], label: str, days: Sequence[str]) -> str:
    """The looks, oldest first; `days` name them."""
    most = max((host.findings for look in looks for host in look.hosts), default=0)
    top = max(most, 4)
    drawn = [*_grid(top), *_days(days)]
    for line in lines:
        drawn += _drawn(looks, line, top)
    return (
        f'<svg class="trend" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" {_FONT}>'
        f"<title>{escape(label)}</title>{''.join(drawn)}</svg>"
    )


def key(line: Line) -> str:
    """A piece of a host's line, for the legend."""
    return (
        '<svg width="34" height="10" aria-hidden="true"><line x1="0" x2="34" y1="5" y2="5" '
        f'stroke="{line.colour}" stroke-width="2.5" stroke-dasharray="{line.dashes}"/></svg>'
    )


def _x(night: int, nights: int) -> float:
    share = night / (nights - 1) if nights > 1 else 0.5
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(findings: float, top: int) -> float:
    return _HEIGHT - _BOTTOM - findings / top * (_HEIGHT - _TOP - _BOTTOM)


def _grid(top: int) -> Iterator[str]:
    for value in sorted({0, round(top / 2), top}):
        y = _y(value, top)
        yield (
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            f'stroke="{_RULE}"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" '
            f'fill="{_INK}">{value}</text>'
        )


def _days(days: Sequence[str]) -> Iterator[str]:
    step = max(1, -(-len(days) // _LABELS))
    for night in range(0, len(days), step):
        x = _x(night, len(days))
        anchor = "start" if x < _LEFT + 30 else "end" if x > _WIDTH - _RIGHT - 30 else "middle"
        yield (
            f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}" fill="{_INK}">'
            f"{escape(days[night])}</text>"
        )


def _drawn(looks: Sequence[Look], line: Line, top: int) -> Iterator[str]:
    """The line of a host, broken where it was not seen as a whole, and a cross there."""
    stretch: list[str] = []
    for night, look in enumerate(looks):
        x = _x(night, len(looks))
        seen = next((host for host in look.hosts if host.host == line.host), None)
        if seen is not None and seen.complete:
            stretch.append(f"{x:.1f},{_y(seen.findings, top):.1f}")
            continue
        yield from _stroke(stretch, line)
        stretch = []
        if seen is not None:
            y = _y(0, top)
            yield (
                f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8" stroke="{_WRONG}" '
                'stroke-width="2"/>'
            )
    yield from _stroke(stretch, line)


def _stroke(stretch: Sequence[str], line: Line) -> Iterator[str]:
    if not stretch:
        return
    x, y = stretch[-1].split(",")
    if len(stretch) > 1:
        yield (
            f'<polyline points="{" ".join(stretch)}" fill="none" stroke="{line.colour}" '
            f'stroke-width="2" stroke-dasharray="{line.dashes}"/>'
        )
    yield f'<circle cx="{x}" cy="{y}" r="3" fill="{line.colour}"/>'
