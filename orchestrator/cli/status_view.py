"""How the morning is shown: one screen, the worst first."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from orchestrator.records import MeasureState

if TYPE_CHECKING:
    from orchestrator.errors import PasInfraError
    from orchestrator.status import ChapterState, HostState, Point, Status, Subject

_MARKS = {"ok": ("✓", "green"), "attention": ("!", "yellow"), "unknown": ("?", "magenta"),
          "alarm": ("✗", "red")}  # fmt: skip
_OF_STATE = {
    MeasureState.KEPT: ("✓", "green"),
    MeasureState.PARTLY: ("~", "yellow"),
    MeasureState.NOT_KEPT: ("✗", "red"),
    MeasureState.UNMEASURED: ("?", "magenta"),
    MeasureState.WAIVED: ("w", "cyan"),
}
_NAME = 15  # letters of the longest subject
_CELL = 26  # letters of a chapter: three beside each other in 80 columns
_LEAST_TEXT = 24  # letters that a command leaves to what it is about


@dataclass(frozen=True)
class Page:
    """Where it is shown: so many letters wide, cut to it or not; `suffix` ends each command."""

    width: int
    cut: bool
    suffix: str = ""

    def fit(self, text: str, letters: int) -> str:
        """A text without what speaks to the terminal, and as long as the place for it, if cut."""
        plain = "".join(letter if letter.isprintable() else "�" for letter in text)
        if self.cut and len(plain) > letters:
            return f"{plain[: max(letters - 1, 0)]}…"
        return plain

    def command(self, typed: str) -> str:
        """What to type, for this environment."""
        return f"{typed}{self.suffix}" if typed.startswith("pas-infra ") else typed


def screen(status: "Status", page: Page) -> list[str]:
    """The lines of the screen, coloured: the whole, each subject, each host, each chapter."""
    return [
        _headline(status, page),
        *(_subject(one, page) for one in status.subjects),
        "",
        *_hosts(status, page),
        # No empty line here: three hosts are to fit on 24 lines, and the heading is bold.
        *_chapters(status.chapters, page),
    ]


def screen_of_error(error: "PasInfraError", page: Page) -> list[str]:
    """The same where nothing can be said, for a screen that is drawn again and again."""
    said = (error.what, f"where: {error.where or ''}", f"next:  {error.next_step or ''}")
    word = click.style("UNKNOWN".ljust(_NAME + 2), fg="magenta", bold=True)
    return [word, *(page.fit(line, page.width) for line in said)]


def as_data(status: "Status", suffix: str) -> dict[str, Any]:
    """The same as data (docs/reference/status.md)."""
    page = Page(0, cut=False, suffix=suffix)
    return {
        "environment": status.environment,
        "at": status.now.isoformat(),
        "level": status.level,
        "exit_code": int(status.exit_code),
        "subjects": [
            {
                "name": one.name,
                "level": one.level,
                "known": one.known.isoformat() if one.known else None,
                "headline": one.headline,
                "next": page.command(one.next_step),
                "points": [_point(point, page) for point in one.worst_first],
            }
            for one in status.subjects
        ],
        "hosts": [
            {
                "name": one.name,
                "measures": {**one.counts},
                "verified": one.whole.isoformat() if one.whole else None,
                "drift": asdict(one.drift) if one.drift else None,
            }
            for one in status.hosts
        ],
        "chapters": [
            {"number": one.number, "title": one.title, "measures": {**one.counts}}
            for one in status.chapters
        ],
    }


def _point(one: "Point", page: Page) -> dict[str, Any]:
    return {
        "level": one.level, "about": one.about, "what": one.what,
        "next": page.command(one.next_step),
    }  # fmt: skip


def _headline(status: "Status", page: Page) -> str:
    """One word, and on how many subjects it rests: they follow, the worst first."""
    from orchestrator.status import Level

    word, (_, colour) = status.level.upper(), _MARKS[status.level]
    levels = [one.level for one in status.subjects]
    counts = [f"{levels.count(level)} {level}" for level in reversed(Level) if level in levels]
    when = f"{status.now.astimezone():%Y-%m-%d %H:%M}"
    rest = page.fit(
        f"{status.environment}, {when}: {', '.join(counts)}", page.width - len(word) - 2
    )
    return f"{click.style(word, fg=colour, bold=True)}  {rest}"


def _subject(one: "Subject", page: Page) -> str:
    mark, colour = _MARKS[one.level]
    room = page.width - _NAME - 3
    command = page.command(one.next_step)
    if page.cut:
        command = page.fit(command, room - _LEAST_TEXT - 2)
    text = page.fit(one.headline, room - len(command) - 2 * bool(command))
    line = f"{click.style(mark, fg=colour, bold=True)} {one.name:<{_NAME}} "
    if not command:
        return line + text
    return f"{line}{text.ljust(room - len(command) - 2)}  {click.style(command, bold=True)}"


def _hosts(status: "Status", page: Page) -> list[str]:
    from orchestrator.status.subject import age

    name = max([len("host"), *(len(one.name) for one in status.hosts)])
    head = f"{'host':<{name}}" + "".join(f"  {state}" for state in MeasureState)
    lines = [click.style(page.fit(f"{head}  verified  drift", page.width), bold=True)]
    for one in status.hosts:
        verified = age(one.whole, status.now) if one.whole else "never"
        counts = "".join(
            "  " + _coloured(f"{one.counts[state]:>{len(state)}}", state, one.counts[state])
            for state in MeasureState
        )
        line = f"{one.name:<{name}}{counts}  {verified:<8}  "
        lines.append(line + page.fit(_drift(one), page.width - len(click.unstyle(line))))
    return lines


def _drift(one: "HostState") -> str:
    if one.drift is None:
        return "never"
    found = f"{one.drift.findings} ({one.drift.new} new)" if one.drift.findings else "none"
    incomplete = "" if one.drift.complete else "incomplete, "
    # Rounded down: 100 % says that nothing was left out.
    return f"{incomplete}{found}, {int(one.drift.coverage)} %"


def _chapters(chapters: "Sequence[ChapterState]", page: Page) -> list[str]:
    """In columns, read downwards, below what the marks mean."""
    columns = max(page.width // _CELL, 1)
    rows = -(-len(chapters) // columns)
    wide = page.width // columns
    legend = "  ".join(f"{mark} {state}" for state, (mark, _) in _OF_STATE.items())
    lines = [click.style(page.fit(f"chapter  {legend}", page.width), bold=True)]
    for row in range(rows):
        cells = [_chapter(one, wide - 1, page) for one in chapters[row::rows]]
        lines.append(" ".join(cells).rstrip())
    return lines


def _chapter(one: "ChapterState", letters: int, page: Page) -> str:
    counts = {state: count for state, count in one.counts.items() if count}
    plain = " ".join(f"{count}{_OF_STATE[state][0]}" for state, count in counts.items())
    coloured = " ".join(
        _coloured(f"{count}{_OF_STATE[state][0]}", state, count) for state, count in counts.items()
    )
    room = letters - len(plain) - 4
    title = Page(page.width, cut=True).fit(one.title, room)
    return f"{one.number:>2} {title:<{room}} {coloured}"


def _coloured(text: str, state: MeasureState, count: int) -> str:
    return click.style(text, fg=_OF_STATE[state][1]) if count else click.style(text, dim=True)
