"""What a person sees: stdout carries data, stderr everything else."""

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from orchestrator.errors import ConfigurationInvalid, PasInfraError

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = False) -> "Console":
    """A rich console; plain text off a terminal and under NO_COLOR (https://no-color.org)."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Off a terminal rich would wrap at 80 columns and cut what scripts and logs want whole.
    width = None if stream.isatty() else int(os.environ.get("COLUMNS", "160"))
    return Console(
        stderr=stderr,
        highlight=False,
        width=width,
        soft_wrap=not stream.isatty(),
        color_system=None if color() is False else "auto",
    )


def color() -> bool | None:
    """Whether click may colour: never under NO_COLOR, else (None) as the stream allows."""
    return False if os.environ.get("NO_COLOR") else None


def print_json(data: Any) -> None:
    """Write one JSON document to stdout."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def show_error(error: PasInfraError) -> None:
    """Say on stderr what went wrong, where, and what to do next."""
    click.secho(f"error: {error.what}", fg="red", err=True, color=color())
    if isinstance(error, ConfigurationInvalid):
        for problem in error.problems:
            click.echo(f"  {problem.where}: {problem.what}", err=True)
            click.echo(f"      → {problem.next_step}", err=True)
        return
    if error.where:
        click.echo(f"  where: {error.where}", err=True)
    if error.next_step:
        click.echo(f"  next:  {error.next_step}", err=True)
