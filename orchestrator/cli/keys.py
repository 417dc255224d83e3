"""`pas-infra keys`: the keys of encrypted disks; seen, changed, kept in escrow."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.keys_view import show_copies, show_devices
from orchestrator.cli.options import (
    complete_one_host,
    environment_option,
    hosts_option,
    json_option,
    strategy_option,
)
from orchestrator.cli.progress import Stages
from orchestrator.cli.results import show_troubles
from orchestrator.cli.terminal import console, print_json
from orchestrator.errors import Interrupted

if TYPE_CHECKING:
    from orchestrator.engine import PlayOutcome, Strategy

host_argument = click.argument("host_name", metavar="HOST", shell_complete=complete_one_host)
devices_option = click.option(
    "--device",
    "uuids",
    metavar="UUID",
    multiple=True,
    help="Only this device (repeatable); by default all of the host.",
)


@click.group("keys", short_help="See, change and escrow the keys of encrypted disks.")
def command() -> None:
    """The keys of encrypted disks: what opens each, a change of them, their headers in escrow."""


@command.command("status", short_help="Show what opens each encrypted disk.")
@environment_option
@hosts_option
@json_option
def status(environment_name: str, hosts: tuple[str, ...], *, as_json: bool) -> int:
    """Show the encrypted disks of the hosts: cipher, keys, and whether the header is in escrow.

    The hosts are asked; nothing on them is changed, and no key is needed. Ends with 2 when a header
    is not in escrow as it is, when not as many keys open a disk as are declared, or when Tang does
    otherwise than is declared; 4 when a host could not be asked.
    """
    from orchestrator.engine import connections
    from orchestrator.environment import load_environment
    from orchestrator.keys import declared_tang, key_slots, list_devices
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    chosen = select(environment, limit=hosts)
    found = list_devices(
        connections(environment, chosen.hosts),
        key_slots(environment, chosen.hosts),
        declared_tang(environment, chosen.hosts),
    )
    if as_json:
        devices = [asdict(one) | {"faults": found.faults_of(one)} for one in found.devices]
        print_json({"devices": devices, "missing": dict(found.missing)})
    else:
        show_devices(found, console())
    return found.exit_code


@command.command("rotate", short_help="Change what opens a host's disks, or their volume key.")
@host_argument
@environment_option
@strategy_option
@devices_option
@click.option(
    "--volume-key",
    is_flag=True,
    help="Encrypt the disks anew, under a new volume key; the passphrase stays.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rotate(
    host_name: str,
    environment_name: str,
    strategy: str | None,
    uuids: tuple[str, ...],
    *,
    volume_key: bool,
    yes: bool,
) -> int:
    """Let the declared passphrase take the former one's place on HOST's disks.

    First vault the new one as `installation_passphrase` and the former as
    `installation_former_passphrase`. The new one is added and proven before the former is removed;
    cut short anywhere, the same command goes on. With --volume-key the disks themselves are
    encrypted anew while they are used, which takes hours: HOST goes on by itself if this command
    ends, and so does the same command. The new headers go into escrow.
    """
    from orchestrator.environment import load_environment
    from orchestrator.keys import Watching, change_passphrase, change_volume_key

    environment = load_environment(environment_name)
    host = environment.host(host_name)
    if volume_key and not yes:
        _ask(
            f"Encrypt the disks of {host.name} anew? They are read and written once, as a whole. "
            "What is in escrow of them opens nothing any more"
        )
    told = console(stderr=True)
    with Stages() as stages:
        watching = Watching(
            stage=stages.begin,
            tell=lambda text: told.print(text, markup=False),
            progress=stages.progress,
        )
        change = change_volume_key if volume_key else change_passphrase
        changed = change(environment, host, _strategy(strategy), watching, uuids=uuids)
    return _ended(changed.run_id, changed.outcome, host.name)


@command.command("bind", short_help="Let Tang open the disk of a host's system.")
@host_argument
@environment_option
@strategy_option
@devices_option
@click.option("--remove", is_flag=True, help="Take what opens the disks without a hand away again.")
def bind(
    host_name: str,
    environment_name: str,
    strategy: str | None,
    uuids: tuple[str, ...],
    *,
    remove: bool,
) -> int:
    """Let the declared Tang server open the disk of HOST's system at a start, without a hand.

    Only what `initramfs_tang_url` and `initramfs_tang_thumbprint` declare, and only while a waiver
    accepts the risk (docs/explanation/unattended-unlock.md). The passphrase opens the disk as
    before; cut short anywhere, the same command goes on. The new headers go into escrow.
    """
    from orchestrator import keys
    from orchestrator.environment import load_environment

    environment = load_environment(environment_name)
    host = environment.host(host_name)
    told = console(stderr=True)
    with Stages() as stages:
        watching = keys.Watching(
            stage=stages.begin,
            tell=lambda text: told.print(text, markup=False),
            progress=stages.progress,
        )
        change = keys.unbind if remove else keys.bind
        changed = change(environment, host, _strategy(strategy), watching, uuids=uuids)
    return _ended(changed.run_id, changed.outcome, host.name)


@command.command("escrow", short_help="Put a host's new headers into escrow.")
@host_argument
@environment_option
@strategy_option
@devices_option
def escrow(
    host_name: str, environment_name: str, strategy: str | None, uuids: tuple[str, ...]
) -> int:
    """Prove that the declared passphrase opens HOST's disks, and put their headers into escrow.

    They take the place of those that are there. `pas-infra apply` keeps headers too, but never puts
    another in the place of one that it has.
    """
    from orchestrator.environment import load_environment
    from orchestrator.keys import keep_in_escrow

    environment = load_environment(environment_name)
    host = environment.host(host_name)
    with Stages() as stages:
        stages.begin(f"escrow of {host.name}")
        kept = keep_in_escrow(environment, host, _strategy(strategy), stages.progress, uuids=uuids)
    return _ended(kept.run_id, kept.outcome, host.name)


@command.command("copy", short_help="Copy the key store of a host's clients for a safe.")
@host_argument
@environment_option
@click.option(
    "--to",
    "directory",
    metavar="DIR",
    required=True,
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Where to write it, on another medium.",
)
@click.option("--place", default="", help="Where it will be kept, as certificates name it.")
def copy(host_name: str, environment_name: str, directory: Path, place: str) -> int:
    """Copy the key store of HOST's clients to a medium that goes into a safe, and register that.

    Without a copy the data of all clients is lost with this control node. It is still encrypted; it
    is opened with clients_key_store_passphrase, which is tried. A former copy in the same directory
    is erased. A certificate of erasure names each copy and its fate.
    """
    from orchestrator.environment import load_environment
    from orchestrator.keys import make_copy

    environment = load_environment(environment_name)
    run_id, made = make_copy(environment, environment.host(host_name), directory, place)
    console().print(made.directory, soft_wrap=True, markup=False)
    told = console(stderr=True)
    told.print(f"copy {made.number} is registered, kept in: {made.place}", markup=False)
    told.print(f"recorded as run {run_id} (pas-infra history {run_id})")
    return 0


@command.command("copies", short_help="Show the copies of the key store of a host's clients.")
@host_argument
@environment_option
@json_option
def copies(host_name: str, environment_name: str, *, as_json: bool) -> int:
    """Show when and where copies of the key store of HOST's clients were made, and their fate.

    Ends with 2 when none has all keys, and when one has the key of somebody who has left.
    """
    from orchestrator.environment import load_environment
    from orchestrator.keys import list_copies

    environment = load_environment(environment_name)
    found = list_copies(environment, environment.host(host_name))
    if as_json:
        rows = [asdict(one) | {"state": found.state(one)} for one in found.copies]
        print_json({"copies": rows, "faults": found.faults})
    else:
        show_copies(host_name, found, console())
    return found.exit_code


@command.command("destroyed", short_help="Write down that a copy of the key store is destroyed.")
@host_argument
@click.argument("number", type=click.IntRange(min=1))
@environment_option
def destroyed(host_name: str, number: int, environment_name: str) -> int:
    """Write down that you have destroyed copy NUMBER of the key store of HOST's clients.

    What still lies in the directory that it was written to is erased. Your name and the time stand
    in the certificates of those whose key it had.
    """
    from orchestrator.environment import load_environment
    from orchestrator.keys import note_destroyed

    environment = load_environment(environment_name)
    run_id, copy = note_destroyed(environment, environment.host(host_name), number)
    told = console(stderr=True)
    told.print(
        f"copy {number} ({copy.place}) is destroyed: {copy.destroyed_by}, {copy.destroyed}",
        markup=False,
    )
    told.print(f"recorded as run {run_id} (pas-infra history {run_id})")
    return 0


def _ended(run_id: int, outcome: "PlayOutcome", name: str) -> int:
    from orchestrator.engine import PlayStatus
    from orchestrator.runs import STATUS_OF_PLAY

    told = console(stderr=True)
    show_troubles(outcome, told)
    if outcome.status is PlayStatus.OK:
        told.print(f"the headers of {name} are in escrow")
    told.print(f"recorded as run {run_id} (pas-infra history {run_id})")
    return STATUS_OF_PLAY[outcome.status].exit_code


def _strategy(name: str | None) -> "Strategy":
    from orchestrator.engine import Strategy, default_strategy

    return Strategy(name) if name else default_strategy()


def _ask(question: str) -> None:
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        raise Interrupted(
            "nobody confirmed: nothing was changed",
            next_step="answer y, or give --yes where nobody is there to answer",
        )
