"""`pas-infra install`: an encrypted Debian on a server that runs its rescue system."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import (
    ask_for,
    complete_one_host,
    environment_option,
    strategy_option,
)
from orchestrator.cli.progress import Stages
from orchestrator.cli.results import show_troubles
from orchestrator.cli.terminal import console

if TYPE_CHECKING:
    from orchestrator.install import Installed


@click.command("install")
@click.argument("host_name", metavar="HOST", shell_complete=complete_one_host)
@environment_option
@strategy_option
@click.option(
    "--rescue-user",
    default="",
    metavar="NAME",
    help="Who logs in to the rescue system; by default the inventory's user.",
)
@click.option("--wipe", is_flag=True, help="Destroy disks that hold something, too.")
@click.option(
    "--confirm",
    "typed",
    metavar="HOST",
    help="The host's name, for scripts: instead of typing it when asked.",
)
def command(
    host_name: str,
    environment_name: str,
    strategy: str | None,
    rescue_user: str,
    typed: str | None,
    *,
    wipe: bool,
) -> int:
    """Install an encrypted Debian 13 on HOST, which runs its hoster's rescue system.

    Shows what the declared disks hold, and asks for the host's name before it destroys them. After
    a cut, the same command goes on where it was. Then start the server from its disks, and unlock
    it.
    """
    from orchestrator.engine import Strategy, default_strategy
    from orchestrator.environment import load_environment
    from orchestrator.install import Interaction, install

    environment = load_environment(environment_name)
    host = environment.host(host_name)
    told = console(stderr=True)
    with Stages() as stages:

        def confirm(destroyed: str) -> str:
            stages.end()
            told.print(f"[bold]To be destroyed on {host.name}:[/]", markup=True)
            told.print(destroyed, markup=False)
            return typed if typed is not None else ask_for(host.name)

        installed = install(
            environment,
            host,
            Strategy(strategy) if strategy else default_strategy(),
            Interaction(
                confirm=confirm,
                stage=stages.begin,
                tell=lambda text: click.echo(text, err=True),
                progress=stages.progress,
            ),
            rescue_user=rescue_user,
            wipe=wipe,
        )
    _show(installed, host.name)
    told.print(f"recorded as run {installed.run_id} (pas-infra history {installed.run_id})")
    return installed.exit_code


def _show(installed: "Installed", name: str) -> None:
    from orchestrator.engine import PlayStatus

    told = console(stderr=True)
    show_troubles(installed.outcome, told)
    if installed.declined:
        told.print("nothing was changed")
        return
    for phase, seconds in installed.phases.items():
        told.print(f"{phase:<12} {seconds:6.0f} s")
    if installed.outcome.status is PlayStatus.OK:
        told.print(
            f"{name} is installed in {installed.outcome.duration:.0f} s\n"
            f"next:  have the hoster start it from its disks, then pas-infra unlock {name}"
        )
