"""`pas-infra env`: list, show and check environments."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli.options import complete_environment, json_option
from orchestrator.cli.terminal import console, print_json, show_error
from orchestrator.errors import ConfigurationInvalid
from orchestrator.exit_codes import ExitCode

if TYPE_CHECKING:
    from orchestrator.environment import Environment

F = TypeVar("F", bound=Callable[..., Any])


def _name_argument(command: F) -> F:
    return click.argument(
        "name", default="lab", envvar="PAS_INFRA_ENV", shell_complete=complete_environment
    )(command)


@click.group("env")
def command() -> None:
    """List, show and check environments.

    An environment is a directory below inventories/ of the current directory or of the program.
    """


@command.command("list")
@json_option
def list_environments(*, as_json: bool) -> None:
    """List the environments that can be named."""
    from orchestrator.environment import summaries

    rows = summaries()
    if as_json:
        print_json([vars(row) for row in rows])
        return
    from rich.table import Table

    table = Table("environment", "kind", "description", "directory", box=None)
    for row in rows:
        table.add_row(row.name, row.kind or "?", row.description or "?", str(row.directory))
    console().print(table)


@command.command()
@_name_argument
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show the environment NAME (default: lab) and its hosts."""
    from orchestrator.environment import load_environment

    environment = load_environment(name)
    if as_json:
        print_json(_facts(environment))
        return
    from rich.table import Table

    node = environment.control_node.place
    facts = Table(box=None, show_header=False)
    facts.add_row("environment", f"{environment.name} ({environment.kind})")
    facts.add_row("description", environment.description)
    facts.add_row("directory", str(environment.directory))
    facts.add_row("control node", f"{node.city} ({node.country})")
    facts.add_row("store", str(environment.store_directory))
    facts.add_row("PAS document", str(environment.pas_document or "none"))
    facts.add_row("waivers", str(len(environment.waivers)))
    hosts = Table("host", "address", "function", "supplier", "place", "groups", box=None)
    for host in environment.hosts:
        place = f"{host.place.city} ({host.place.country})"
        groups = ", ".join(host.groups)
        hosts.add_row(host.name, host.address, host.function, host.supplier, place, groups)
    console().print(facts, "", hosts)


@command.command()
@_name_argument
@json_option
def check(name: str, *, as_json: bool) -> ExitCode:
    """Read the environment NAME (default: lab) as a whole; run nothing, touch no host."""
    from orchestrator.environment import load_environment

    try:
        environment = load_environment(name)
    except ConfigurationInvalid as error:
        if not as_json:
            show_error(error)
            return ExitCode.CONFIGURATION
        problems = [
            {"file": p.file, "line": p.line, "what": p.what, "next_step": p.next_step}
            for p in error.problems
        ]
        print_json({"environment": name, "ok": False, "problems": problems})
        return ExitCode.CONFIGURATION
    if as_json:
        print_json({"environment": environment.name, "ok": True, "problems": []})
        return ExitCode.OK
    machines = environment.lab.machines if environment.lab else ()
    click.echo(f"ok: {environment.name} is a valid environment of kind {environment.kind}")
    click.echo(f"ok: {len(environment.files)} files read from {environment.directory}")
    click.echo(f"ok: {len(environment.hosts)} hosts, each with an address of its own")
    if machines:
        click.echo(f"ok: {len(machines)} machines in the lab; none names a production address")
    click.echo(f"ok: {len(environment.waivers)} waivers, well-formed")
    return ExitCode.OK


def _facts(environment: "Environment") -> dict[str, Any]:
    return {
        "name": environment.name,
        "kind": environment.kind,
        "description": environment.description,
        "directory": environment.directory,
        "control_node": vars(environment.control_node.place),
        "store_directory": environment.store_directory,
        "pas_document": environment.pas_document,
        "waivers": len(environment.waivers),
        "hosts": [
            {
                "name": host.name,
                "address": host.address,
                "function": host.function,
                "supplier": host.supplier,
                "place": vars(host.place),
                "groups": host.groups,
            }
            for host in environment.hosts
        ],
    }
