"""`pas-infra client`: the clients of the service, and the encrypted volume of each."""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import click

from orchestrator.cli.options import (
    ask_for,
    environment_option,
    hosts_option,
    json_option,
    strategy_option,
)
from orchestrator.cli.progress import Stages
from orchestrator.cli.results import show_faults, show_opened, show_troubles
from orchestrator.cli.terminal import console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.clients import ClientList, ClientState
    from orchestrator.clients.rotate import Rotated
    from orchestrator.clients.volumes import Added
    from orchestrator.engine import OnProgress, Strategy
    from orchestrator.environment import Client, Environment

Done = TypeVar("Done", "Added", "Rotated")


@click.group("client", short_help="See, make and erase the encrypted volumes of clients.")
def command() -> None:
    """The clients of clients.yml, each with an encrypted volume and a key of their own."""


@command.command("list", short_help="Show the clients and their volumes.")
@environment_option
@hosts_option
@json_option
def listing(environment_name: str, hosts: tuple[str, ...], *, as_json: bool) -> int:
    """Show each client, what is declared for them, and what their host has.

    Ends with 2 when something is to be done, as a volume that is not there or not open; 4 when a
    host could not be asked.
    """
    from orchestrator.clients import list_clients
    from orchestrator.engine import connections
    from orchestrator.environment import load_environment
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    chosen = select(environment, limit=hosts)
    found = list_clients(environment, connections(environment, chosen.hosts))
    if as_json:
        clients = [asdict(one) | {"faults": one.faults} for one in found.clients]
        print_json({"clients": clients, "missing": dict(found.missing)})
    else:
        _show(found, console())
    return found.exit_code


@command.command("add", short_help="Make a client's key and encrypted volume.")
@click.argument("name", metavar="NAME")
@environment_option
@strategy_option
def add(name: str, environment_name: str, strategy: str | None) -> int:
    """Give the client NAME of clients.yml a volume of the declared size, under a key of its own.

    The key is kept in the key store of this control node, nowhere else; the host has it in its
    kernel only. A volume that is there stays as it is, or grows to what is declared. No other
    command formats one.
    """
    from orchestrator.clients import add
    from orchestrator.engine import PlayStatus
    from orchestrator.runs import STATUS_OF_PLAY

    client, added = _done_to_volume(add, name, environment_name, strategy)
    told = console(stderr=True)
    if added.outcome.status is PlayStatus.OK:
        done = " and ".join(added.done) or "there already"
        told.print(f"the volume of {name} is {done}, and its header in escrow")
    if added.opened is not None:
        show_opened(added.opened, told)
        if not added.opened.mounted:
            told.print(f"next:  pas-infra apply --limit {client.host}, and then the same command")
    told.print(f"recorded as run {added.run_id} (pas-infra history {added.run_id})")
    return STATUS_OF_PLAY[added.outcome.status].exit_code


@command.command("rotate", short_help="Change the key of a client's volume.")
@click.argument("name", metavar="NAME")
@environment_option
@strategy_option
def rotate(name: str, environment_name: str, strategy: str | None) -> int:
    """Give the volume of the client NAME another key, while it is used, and destroy the former one.

    The new key is added and proven before the former is removed, and the new header goes into
    escrow; then the key store is encrypted anew. Cut short anywhere, one of the two opens the
    volume, and the same command goes on.
    """
    from orchestrator.clients import rotate
    from orchestrator.engine import PlayStatus
    from orchestrator.runs import STATUS_OF_PLAY

    client, rotated = _done_to_volume(rotate, name, environment_name, strategy)
    told = console(stderr=True)
    if rotated.outcome.status is PlayStatus.OK:
        told.print(f"the volume of {name} has another key, and the former one is destroyed")
        told.print(f"next:  pas-infra keys copy {client.host} --to …, for the copy in your safe")
    told.print(f"recorded as run {rotated.run_id} (pas-infra history {rotated.run_id})")
    return STATUS_OF_PLAY[rotated.outcome.status].exit_code


def _done_to_volume(
    do: "Callable[[Environment, Client, Strategy, Callable[[str], None], OnProgress], Done]",
    name: str,
    environment_name: str,
    strategy: str | None,
) -> "tuple[Client, Done]":
    """Do something to the volume of a declared client, and show what went wrong with it."""
    from orchestrator.clients import client_of
    from orchestrator.engine import Strategy, default_strategy
    from orchestrator.environment import load_environment

    environment = load_environment(environment_name)
    client = client_of(environment, name)
    with Stages() as stages:
        chosen = Strategy(strategy) if strategy else default_strategy()
        done = do(environment, client, chosen, stages.begin, stages.progress)
    show_troubles(done.outcome, console(stderr=True))
    return client, done


@command.command("offboard", short_help="Erase a client's data, and certify it.")
@click.argument("name", metavar="NAME")
@environment_option
@strategy_option
@click.option(
    "--overwrite", is_flag=True, help="Write over the whole volume too, not its header only."
)
@click.option("--confirm", "typed", metavar="NAME", help="The client's name, instead of typing it.")
def offboard(
    name: str, environment_name: str, strategy: str | None, typed: str | None, *, overwrite: bool
) -> int:
    """Erase the data of the client NAME for good, whose contract and days of grace have ended.

    Their services are stopped, the key slots and the header of their volume destroyed, then the key
    itself and every copy of the header; the key store is encrypted anew. The key of their backups
    is destroyed and the backups removed, and then what is left of them on the host. It ends with a
    certificate, in French, as a page and as PDF. Cut short, the same command goes on; for somebody
    who was offboarded before, it gives the same certificate.
    """
    from orchestrator.clients import Interaction, offboard
    from orchestrator.engine import Strategy, default_strategy
    from orchestrator.environment import load_environment
    from orchestrator.runs import utc_now

    environment = load_environment(environment_name)
    told = console(stderr=True)
    with Stages() as stages:

        def confirm(destroyed: str) -> str:
            stages.end()
            told.print("[bold]To be destroyed for good:[/]")
            told.print(destroyed, markup=False)
            return typed if typed is not None else ask_for(name)

        done = offboard(
            environment,
            name,
            Strategy(strategy) if strategy else default_strategy(),
            Interaction(confirm, stages.begin, stages.progress),
            overwrite=overwrite,
            today=utc_now().date(),
        )
    if done.outcome is not None:
        show_troubles(done.outcome, told)
    if done.declined:
        told.print("that is not their name: nothing was changed")
    if done.certificate is not None:
        if done.again:
            told.print(f"the data of {name} was erased before: the certificate is the same")
        console().print(f"{done.certificate.pdf}\n{done.certificate.html}", soft_wrap=True)
        told.print(
            f"next:  remove {name} from clients.yml, and give them the certificate; "
            "pas-infra keys copies says whether another copy of the key store is due"
        )
    told.print(f"recorded as run {done.run_id} (pas-infra history {done.run_id})")
    return done.exit_code


def _show(found: "ClientList", to: "Console") -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("client", "host", "title", "declared", "volume", "used", "state"):
        table.add_column(title, overflow="fold")
    for one in found.clients:
        volume = one.volume
        table.add_row(
            escape(one.name),
            one.host,
            escape(one.declared.title) if one.declared else "",
            f"{one.declared.volume_gb} GB" if one.declared else "",
            f"{volume.size / 1e9:.1f} GB" if volume else "",
            f"{100 * volume.used // volume.size} %" if volume and volume.used is not None else "",
            _state(one),
        )
    to.print(table)
    faults = [(one.host, one.name, fault) for one in found.clients for fault in one.faults]
    show_faults(faults, found.missing, to)


def _state(client: "ClientState") -> str:
    if not client.has_disks:
        return "a directory: a container has no disks"
    if client.volume is None:
        return "no volume"
    return "mounted" if client.volume.mounted else "closed"
