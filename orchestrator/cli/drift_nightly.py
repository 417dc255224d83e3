"""`pas-infra drift nightly`, `schedule`, `report`: the look that nobody starts, and its page."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import OutputFile, environment_option
from orchestrator.cli.progress import progress_of
from orchestrator.cli.terminal import console
from orchestrator.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.drift.look import Drift
    from orchestrator.environment import Environment
    from orchestrator.nightly import Message


@click.command("nightly", short_help="Look, and tell whoever is declared.")
@environment_option
def nightly(environment_name: str) -> int:
    """Do what `drift` does, and bring the result to those whom environment.yml names.

    They are told of each night, and in full of what is new; also when nobody could look. Ends as
    `drift` does, and with 4 when somebody was not reached.
    """
    from orchestrator.cli.drift_view import show
    from orchestrator.drift.look import look
    from orchestrator.engine import default_strategy
    from orchestrator.environment import load_environment
    from orchestrator.errors import PasInfraError
    from orchestrator.nightly import failure_of, message_of
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    try:
        with progress_of("drift") as progress:
            drift = look(environment, select(environment), default_strategy(), on_progress=progress)
    except PasInfraError as error:
        _deliver(environment, failure_of(environment.name, error))
        raise
    show(drift, console())
    measured = _measured(environment, drift)
    reached = _deliver(environment, message_of(environment.name, drift))
    return drift.exit_code if reached and measured else ExitCode.INCOMPLETE


@click.command("schedule", short_help="Have the nightly look begin by itself.")
@environment_option
@click.option("--remove", "removing", is_flag=True, help="Have it begin no more.")
@click.option("--show", "showing", is_flag=True, help="Print the units, and change nothing.")
def schedule(environment_name: str, *, removing: bool, showing: bool) -> None:
    """Install the timer of the nightly look on this machine, which has to be the control node.

    `nightly` of environment.yml says when, under which account, and who is told. A night that was
    missed is made up for. It takes root.
    """
    from orchestrator.environment import load_environment
    from orchestrator.nightly import install, remove, units_of
    from orchestrator.nightly.units import name_of, run_as_root

    environment = load_environment(environment_name)
    if removing:
        gone = remove(name_of(environment), run_as_root)
        click.echo("it begins no more" if gone else "there was nothing to remove", err=True)
        return
    units = units_of(environment)
    if showing:
        for name, content in units.files.items():
            click.echo(f"# {name}\n{content}")
        return
    changed = install(units, run_as_root)
    click.echo(f"{units.name}.timer is {'installed' if changed else 'there already'}", err=True)


def _measured(environment: "Environment", drift: "Drift") -> bool:
    """Whether the metrics are written, where they are wanted."""
    from orchestrator.errors import PasInfraError
    from orchestrator.metrics import write_metrics
    from orchestrator.nightly import metrics_of
    from orchestrator.runs import utc_now
    from orchestrator.store import Store

    if environment.nightly.metrics is None:
        return True
    try:
        with Store.open(environment.store_directory, environment.name) as store:
            text = metrics_of(environment.name, drift, store, utc_now())
        write_metrics(text, environment.nightly.metrics)
    except PasInfraError as error:
        console(stderr=True).print(f"the metrics were not written: {error.what}", markup=False)
        return False
    return True


def _deliver(environment: "Environment", message: "Message") -> bool:
    """Whether everybody was reached."""
    from orchestrator.nightly import deliver

    missed = deliver(message, environment.nightly)
    for one in missed:
        console(stderr=True).print(f"{one.to} was not reached: {one.why}", markup=False)
    return not missed


@click.command("report", short_help="Write a page with the trend and what is open.")
@environment_option
@click.option(
    "--lang", "language", type=click.Choice(["fr", "en"]), default="fr", show_default=True,
    help="The language.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(min=1), default=60, show_default=True,
    help="How many looks, the newest.",
)  # fmt: skip
@click.option(
    "-o", "--output", "file", type=OutputFile(), metavar="FILE",
    help="Where the page goes; `drift.html` beside the environment's store otherwise.",
)  # fmt: skip
def report(environment_name: str, language: str, limit: int, file: "Path | None") -> None:
    """Write one HTML page: the last look, the trend of each host as a plot, what is open.

    It stands for itself, and shows no difference: a page goes further than a terminal.
    """
    from orchestrator.drift.memory import looks
    from orchestrator.environment import load_environment
    from orchestrator.nightly.page import page
    from orchestrator.runs import utc_now
    from orchestrator.store import Store
    from orchestrator.store.private import replace_private

    environment = load_environment(environment_name)
    now = utc_now()
    with Store.open(environment.store_directory, environment.name) as store:
        found, still = looks(store, limit=limit, now=now), store.drift.open()
    written = file or environment.store_directory / "drift.html"
    replace_private(written, page(environment.name, found, still, now, language).encode())
    click.echo(written)
