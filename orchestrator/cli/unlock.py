"""`pas-infra unlock`: the passphrase for a server that has restarted."""

from collections.abc import Iterator

import click

from orchestrator.cli.options import complete_one_host, environment_option
from orchestrator.cli.progress import Stages
from orchestrator.cli.results import show_opened
from orchestrator.cli.terminal import console
from orchestrator.errors import Interrupted
from orchestrator.exit_codes import ExitCode

_TRIES = 3


@click.command("unlock")
@click.argument("host_name", metavar="HOST", shell_complete=complete_one_host)
@environment_option
@click.option("--ask", is_flag=True, help="Type the passphrase instead of taking the declared one.")
@click.option(
    "--wait",
    "patience",
    type=click.IntRange(min=1),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the server to ask, and then for it to run.",
)
def command(host_name: str, environment_name: str, patience: int, *, ask: bool) -> int:
    """Wait until HOST asks for the passphrase of its disks, give it, and wait until it runs.

    The passphrase is `installation_passphrase`, as the inventory's vault has it, and where that is
    not the one yet `installation_former_passphrase`; it goes over SSH, to nobody but the initramfs
    whose host key was pinned when HOST was installed. Then the volumes of its clients are opened,
    each with its key from the key store, and what is enabled of their services is started.

    Exit 2 when it runs, but a unit has failed or a mirror lacks a disk.
    """
    from rich.markup import escape

    from orchestrator.clients import open_all
    from orchestrator.engine import connections
    from orchestrator.environment import load_environment
    from orchestrator.reboot import ask_host
    from orchestrator.unlock import declared_passphrases, faults_after, unlock

    environment = load_environment(environment_name)
    host = environment.host(host_name)
    with Stages() as stages:

        def passphrases() -> Iterator[str]:
            if not ask:
                # What is declared does not become right by being tried again.
                yield from declared_passphrases(environment, host)
                return
            for _ in range(_TRIES):
                stages.end()
                yield _typed(host.name)

        done = unlock(environment, host, passphrases(), patience=patience, stage=stages.begin)
        stages.begin(f"volumes of {host.name}")
        opened = open_all(environment, host.name)
        stages.begin(f"how {host.name} is")
        faults = faults_after(connections(environment, [host.name])[0], ask_host)
    told = console(stderr=True)
    if done.opened:
        told.print(
            f"{host.name} asked after {done.asked:.0f} s, was opened after {done.opened:.0f} s "
            f"and runs after {done.running:.0f} s"
        )
    else:
        told.print(f"{host.name} is running: there was nothing to unlock")
    for one in opened:
        show_opened(one, told)
    for fault in faults:
        told.print(f"[red]✗[/] {host.name}: {escape(fault)}")
    if any(one.trouble for one in opened):
        return ExitCode.ERROR
    return ExitCode.FINDINGS if faults else ExitCode.OK


def _typed(name: str) -> str:
    try:
        typed: str = click.prompt(f"Passphrase of {name}", hide_input=True, err=True)
    except click.Abort as stop:
        raise Interrupted(
            f"no passphrase was given: {name} is still locked", next_step="the same command again"
        ) from stop
    return typed
