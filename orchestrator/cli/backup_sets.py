"""The data sets that a command on backups is about."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli.terminal import console

if TYPE_CHECKING:
    from orchestrator.backup import Repository
    from orchestrator.environment import Environment

F = TypeVar("F", bound=Callable[..., Any])


def sets_option(function: F) -> F:
    """`--set HOST/NAME`, as often as wanted."""
    return click.option(
        "--set", "sets", multiple=True, metavar="HOST/NAME", help="Only this data set."
    )(function)


def chosen_sets(
    environment_name: str, hosts: tuple[str, ...], sets: tuple[str, ...] = ()
) -> "tuple[Environment, tuple[Repository, ...]]":
    """The environment, and those of its data sets that hosts and names leave, without any all."""
    from orchestrator.backup import repositories, repository_of
    from orchestrator.environment import load_environment
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    named = select(environment, limit=hosts).hosts if hosts else ()
    if not sets:
        return environment, repositories(environment, named)
    return environment, tuple(
        one
        for one in (repository_of(environment, name) for name in sets)
        if not named or one.host in named
    )


def told(run_id: int) -> None:
    """Say under which number it is recorded."""
    console(stderr=True).print(f"recorded as run {run_id} (pas-infra history {run_id})")
