"""Live progress: hosts down, roles across, the task that runs and the time that it takes."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from orchestrator.cli.terminal import console
from orchestrator.records import TaskResult, TaskStatus

if TYPE_CHECKING:
    from rich.console import RenderableType

    from orchestrator.engine import TaskStarted

_STYLES = {
    TaskStatus.CHANGED: "yellow",
    TaskStatus.FAILED: "bold red",
    TaskStatus.UNREACHABLE: "bold red",
}
_BEFORE_ROLES = "prepare"


class Progress:
    """What has been seen so far, drawn anew on each refresh."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._started = time.monotonic()
        self._task = ""
        self._cells: dict[str, dict[str, dict[TaskStatus, int]]] = {}

    def __call__(self, progress: "TaskStarted | TaskResult") -> None:
        """Take in what the engine reports."""
        if not isinstance(progress, TaskResult):
            self._task = f"{progress.role} : {progress.task}".removeprefix(" : ")
            return
        roles = self._cells.setdefault(progress.host, {})
        counts = roles.setdefault(progress.role or _BEFORE_ROLES, {})
        counts[progress.status] = counts.get(progress.status, 0) + 1

    def __rich__(self) -> "RenderableType":
        """Draw the table: a cell says how many tasks ran and how many changed or failed."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        elapsed = time.monotonic() - self._started
        line = Text(f"{self._stage} {elapsed:5.0f} s  {self._task}", style="dim")
        if not self._cells:
            return line
        roles = list(dict.fromkeys(role for cells in self._cells.values() for role in cells))
        table = Table("host", *roles, box=None, header_style="bold")
        for host, cells in self._cells.items():
            table.add_row(host, *(_cell(cells.get(role, {})) for role in roles))
        return Group(table, line)


@contextmanager
def progress_of(stage: str) -> Iterator[Progress]:
    """Show the progress of one stage on stderr while it lasts; plain lines off a terminal."""
    shown = Progress(stage)
    terminal = console(stderr=True)
    if not terminal.is_terminal:
        started = time.monotonic()
        click.echo(f"{stage} …", err=True)
        yield shown
        click.echo(f"{stage} took {time.monotonic() - started:.0f} s", err=True)
        return
    from rich.live import Live

    with Live(shown, console=terminal, refresh_per_second=8, transient=True):
        yield shown


class Stages(ExitStack):
    """Shows one stage's progress at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: Progress | None = None

    def begin(self, stage: str) -> None:
        """Show this stage instead of the one before."""
        self.end()
        self._shown = self.enter_context(progress_of(stage))

    def end(self) -> None:
        """Show no stage: something else is about to be printed."""
        self.pop_all().close()
        self._shown = None

    def progress(self, seen: "TaskStarted | TaskResult") -> None:
        """Pass on what the engine reports."""
        if self._shown is not None:
            self._shown(seen)


def _cell(counts: dict[TaskStatus, int]) -> str:
    total = sum(counts.values())
    marks = [
        f"[{style}]{counts[status]} {status}[/]"
        for status, style in _STYLES.items()
        if counts.get(status)
    ]
    return " ".join([f"{total} tasks", *marks]) if total else "·"
