"""`pas-infra lab`: start and stop the lab of real hosts."""

import os
from typing import TYPE_CHECKING

import click

from orchestrator.cli.options import complete_machine, environment_option, json_option
from orchestrator.cli.terminal import console, print_json
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode

if TYPE_CHECKING:
    from typing import Literal

    from orchestrator.environment import Lab

    Backend = Literal["nspawn", "qemu"]
    Boot = Literal["rescue", "disks"]

name_option = click.option(
    "--name", default="default", show_default=True, envvar="PAS_INFRA_LAB", help="Which lab."
)
backend_option = click.option(
    "--backend", type=click.Choice(["nspawn", "qemu"]), help="Instead of each machine's own."
)
boot_option = click.option(
    "--boot",
    type=click.Choice(["rescue", "disks"]),
    help="Start a server with disks of its own, from the rescue system or from them.",
)


def _say(message: str) -> None:
    click.echo(message, err=True)


def _lab(environment_name: str) -> "Lab":
    from orchestrator.environment import load_environment

    environment = load_environment(environment_name)
    if environment.lab is None:
        raise PasInfraError(
            f"the environment {environment.name} is no lab: it has no lab.yml",
            where=environment.directory,
            next_step="choose one of kind lab with --env (see `pas-infra env list`)",
        )
    return environment.lab


@click.group("lab", short_help="Start and stop the lab of real hosts.")
def command() -> None:
    """Start and stop the lab: real Debian 13 hosts in a network namespace of their own."""


@command.command("up")
@click.argument("machines", nargs=-1, metavar="[HOST]...", shell_complete=complete_machine)
@name_option
@backend_option
@boot_option
@click.option(
    "--without-disk",
    "without_disks",
    multiple=True,
    metavar="SERIAL",
    help="With --boot disks: this disk has been pulled out.",
)
@environment_option
def up(
    machines: tuple[str, ...],
    name: str,
    backend: "Backend | None",
    boot: "Boot | None",
    without_disks: tuple[str, ...],
    environment_name: str,
) -> None:
    """Start the lab's machines (all, or those named); twice changes nothing.

    With --boot a machine is a server with the blank disks of lab.yml: it starts from the hoster's
    rescue system, or from what was installed on its disks.
    """
    from orchestrator import lab

    topology = _lab(environment_name)
    chosen = lab.select_machines(topology, machines, backend=backend)
    if boot:
        chosen = lab.on_metal(chosen, boot)
    layout = lab.bring_up(topology, name, chosen, without_disks=without_disks, progress=_say)
    if boot == "disks":
        _say("started from the disks; pas-infra unlock HOST waits for its question")
        return
    _say(f"the lab is up; pas-infra lab ssh HOST, or ssh -F {layout.ssh_config} HOST")


@command.command("down")
@click.option("--erase", is_flag=True, help="Drop the machines' disks too.")
@name_option
def down(erase: bool, name: str) -> None:  # noqa: FBT001 - click passes options by name
    """Stop the lab; no process, mount, namespace or interface is left behind."""
    from orchestrator import lab

    lab.take_down(name, erase=erase, progress=_say)


@command.command("reset")
@click.argument("machines", nargs=-1, metavar="[HOST]...", shell_complete=complete_machine)
@name_option
@backend_option
@boot_option
@environment_option
def reset(
    machines: tuple[str, ...],
    name: str,
    backend: "Backend | None",
    boot: "Boot | None",
    environment_name: str,
) -> None:
    """Start the machines (all, or those named) afresh: their disks are thrown away."""
    from orchestrator import lab

    topology = _lab(environment_name)
    chosen = lab.select_machines(topology, machines, backend=backend)
    if boot:
        chosen = lab.on_metal(chosen, boot)
    lab.reset(topology, name, chosen, progress=_say)


@command.command("status")
@name_option
@environment_option
@json_option
def status(name: str, environment_name: str, as_json: bool) -> int:  # noqa: FBT001 - click
    """Show every machine; exit 4 when one of those that run is not reached."""
    from dataclasses import asdict

    from rich.table import Table

    from orchestrator import lab

    found = lab.status(_lab(environment_name), name)
    if as_json:
        print_json([asdict(machine) for machine in found])
    else:
        table = Table("machine", "backend", "address", "state", "managed", box=None)
        for machine in found:
            state = "stopped" if machine.pid is None else f"running, pid {machine.pid}"
            if machine.pid is not None and not machine.reachable:
                state += ", NOT reached over SSH"
            table.add_row(
                machine.name, machine.backend, machine.address, state,
                "yes" if machine.managed else "no",
            )  # fmt: skip
        console().print(table)
    silent = any(machine.pid is not None and not machine.reachable for machine in found)
    return ExitCode.INCOMPLETE if silent else ExitCode.OK


@command.command("ssh", context_settings={"ignore_unknown_options": True})
@click.argument("machine", metavar="HOST", shell_complete=complete_machine)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@name_option
def ssh(machine: str, arguments: tuple[str, ...], name: str) -> None:
    """Open a shell on a machine of the lab, or run a command there."""
    from orchestrator.lab import lab_layout

    layout = lab_layout(name)
    up = f"pas-infra lab up --name {name}"
    if not layout.is_up:
        raise PasInfraError(f"the lab {name} is not up", where=layout.directory, next_step=up)
    if not layout.machine(machine).is_dir():
        raise PasInfraError(
            f"the lab {name} has no machine {machine!r}",
            where=layout.directory,
            next_step=f"pas-infra lab status --name {name} lists its machines",
        )
    os.execvp("ssh", ["ssh", "-F", str(layout.ssh_config), machine, *arguments])  # noqa: S606
