"""`pas-infra status`: how an environment is this morning, on one screen."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from orchestrator.cli.options import OutputFile, environment_option, json_option
from orchestrator.cli.terminal import color, print_json
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode

if TYPE_CHECKING:
    from orchestrator.cli.status_view import Page
    from orchestrator.status import Status
    from orchestrator.status.fresh import FreshEnvironment

_WIDE = 160  # letters off a terminal, as everywhere
# The other screen of the terminal without a cursor, and back (xterm's control sequences).
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


@click.command("status")
@environment_option
@click.option(
    "--max-age",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    metavar="DAYS",
    help="Measures and certificates that no run has looked at for longer are unknown.",
)
@click.option(
    "--watch",
    "seconds",
    is_flag=False,
    flag_value=30,
    type=click.IntRange(min=1),
    metavar="[SECONDS]",
    help="Draw it anew every so many seconds, 30 if none are given, until Ctrl-C.",
)
@click.option(
    "--metrics",
    type=OutputFile(),
    metavar="FILE",
    help="Write the same for Prometheus' node exporter (its textfile collector).",
)
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    environment_name: str,
    max_age: int,
    seconds: int | None,
    metrics: Path | None,
    *,
    as_json: bool,
) -> int:
    """Show on one screen how an environment is this morning, and what to type next.

    From the store and the environment's files alone: no host is asked. In one word: OK, ATTENTION
    (something needs a hand), UNKNOWN (something should be known and is not) or ALARM (something is
    broken); then the subjects, the worst first, the hosts and the chapters of the PAS. Exit 0 when
    all is well, 2 when something needs a hand, 4 when something is not known, whatever else is.
    """
    from orchestrator.status.fresh import FreshEnvironment

    if seconds and as_json:
        raise click.UsageError("--watch draws a screen, --json prints one document: give one")
    if seconds and not sys.stdout.isatty():
        raise click.UsageError("--watch draws on a terminal, and this is none")
    source = ctx.get_parameter_source("environment_name")
    suffix = f" -e {environment_name}" if source is ParameterSource.COMMANDLINE else ""
    fresh = FreshEnvironment(environment_name)

    def look() -> "Status":
        return _status(fresh, max_age, metrics)

    if seconds:
        return _watch(look, seconds, suffix)
    status = look()
    if as_json:
        from orchestrator.cli.status_view import as_data

        print_json(as_data(status, suffix))
    else:
        _print(status, suffix)
    return status.exit_code


def _status(fresh: "FreshEnvironment", max_age: int, metrics: Path | None) -> "Status":
    """As it is now, and the metrics of it where they are wanted."""
    from datetime import UTC, datetime, timedelta

    from orchestrator.metrics import write_metrics
    from orchestrator.status import status_of
    from orchestrator.status.metrics import metrics_of

    status = status_of(fresh.current(), max_age=timedelta(days=max_age), now=datetime.now(UTC))
    if metrics:
        write_metrics(metrics_of(status), metrics)
    return status


def _page(suffix: str) -> "Page":
    from orchestrator.cli.status_view import Page

    if sys.stdout.isatty():
        return Page(shutil.get_terminal_size().columns, cut=True, suffix=suffix)
    return Page(int(os.environ.get("COLUMNS", _WIDE)), cut=False, suffix=suffix)


def _print(status: "Status", suffix: str) -> None:
    from orchestrator.cli.status_view import screen

    for line in screen(status, _page(suffix)):
        click.echo(line, color=color())


def _watch(look: "Callable[[], Status]", seconds: int, suffix: str) -> int:
    """Draw it in place until Ctrl-C; the last screen stays, and its code is returned."""
    lines: list[str] = []
    code = ExitCode.INTERRUPTED
    _write(_ENTER)
    try:
        while True:
            lines, code = _frame(look, suffix)
            _draw(lines)
            _wait(seconds)
    except KeyboardInterrupt:
        pass  # how it ends
    finally:
        _write(_LEAVE)
    for line in lines:
        click.echo(line, color=color())
    return code


def _frame(look: "Callable[[], Status]", suffix: str) -> tuple[list[str], ExitCode]:
    """One screen and its code; what somebody is just editing is no reason to stop."""
    from orchestrator.cli.status_view import screen, screen_of_error

    try:
        status = look()
    except PasInfraError as error:
        return screen_of_error(error, _page(suffix)), error.exit_code
    return screen(status, _page(suffix)), status.exit_code


def _draw(lines: list[str]) -> None:
    """Over what was there: the screen is never empty meanwhile, so it does not flicker."""
    height = shutil.get_terminal_size().lines
    shown = lines if len(lines) <= height else [*lines[: height - 1], "…"]
    plain = color() is False
    text = "\r\n".join(f"{click.unstyle(line) if plain else line}{_END_OF_LINE}" for line in shown)
    _write(f"{_HOME}{text}{_BELOW}")


def _wait(seconds: int) -> None:
    """So long, or until the terminal has another size."""
    size = shutil.get_terminal_size()
    end = time.monotonic() + seconds
    while time.monotonic() < end and shutil.get_terminal_size() == size:
        time.sleep(min(1.0, max(end - time.monotonic(), 0)))


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
