"""Options that several commands share, declared once."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from orchestrator.errors import Interrupted

F = TypeVar("F", bound=Callable[..., Any])


class OutputFile(click.Path):
    """A file to be written once the work is done: a place that refuses it is named before."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False, writable=True)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """The path, below a directory that takes new files."""
        path = super().convert(value, param, ctx)
        directory = Path(os.fsdecode(path)).absolute().parent
        if not directory.is_dir():
            self.fail(f"there is no directory {directory}; make it first", param, ctx)
        if not os.access(directory, os.W_OK | os.X_OK):
            self.fail(f"{directory} takes no file from you; name another place", param, ctx)
        return path


def complete_environment(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of an environment."""
    del ctx, param
    from orchestrator.environment import environment_names

    return [CompletionItem(name) for name in environment_names() if name.startswith(incomplete)]


def complete_role(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a role."""
    del ctx, param
    from orchestrator.selection import role_names

    return [CompletionItem(name) for name in role_names() if name.startswith(incomplete)]


def complete_measure(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the number of a measure."""
    del ctx, param
    from orchestrator.catalogue import load_catalogue

    return [
        CompletionItem(measure.number, help=measure.title)
        for measure in load_catalogue()
        if measure.number.startswith(incomplete)
    ]


def complete_host(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the last of the hosts, which commas part, of the environment that is asked for."""
    del param
    from orchestrator.environment import load_environment

    before, comma, last = incomplete.rpartition(",")
    hosts = load_environment(ctx.params.get("environment_name") or "lab").hosts
    return [
        CompletionItem(f"{before}{comma}{host.name}")
        for host in hosts
        if host.name.startswith(last)
    ]


def complete_one_host(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of one host."""
    return [item for item in complete_host(ctx, param, incomplete) if "," not in item.value]


def complete_machine(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a lab's machine."""
    del param
    from orchestrator.environment import load_environment

    lab = load_environment(ctx.params.get("environment_name") or "lab").lab
    machines = lab.machines if lab else ()
    return [CompletionItem(m.name) for m in machines if m.name.startswith(incomplete)]


def complete_declared(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete accounts, hosts and rights, as far as the environment is valid."""
    from orchestrator.environment import People, load_environment
    from orchestrator.errors import PasInfraError

    try:
        environment = load_environment(ctx.params.get("environment_name") or "lab")
    except PasInfraError:
        return []
    people = environment.people or People((), (), ())
    names = {
        "hosts": [host.name for host in environment.hosts],
        "rights": [right.name for right in people.rights],
        "account": [one.account for part in (people.persons, people.machines) for one in part],
    }[str(param.name)]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def environment_option(command: F) -> F:
    """`--env NAME`: the environment to work on."""
    return click.option(
        "-e",
        "--env",
        "environment_name",
        default="lab",
        show_default=True,
        envvar="PAS_INFRA_ENV",
        metavar="NAME",
        shell_complete=complete_environment,
        help="Environment: a name below inventories/, or the path of its directory.",
    )(command)


def hosts_option(command: F) -> F:
    """`--host NAME`, repeated: the hosts that are asked."""
    return click.option(
        "--host",
        "hosts",
        multiple=True,
        metavar="HOST",
        shell_complete=complete_declared,
        help="Ask only this host or group; may be repeated.",
    )(command)


def json_option(command: F) -> F:
    """`--json`: the result as one JSON document on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(
        command
    )


def edition_option(command: F) -> F:
    """`--edition`: for whom what is written is."""
    return click.option(
        "--edition",
        type=click.Choice(["client", "internal"]),
        default="client",
        show_default=True,
        help="Whom it is for: `client` shows no address, account, host's name or weakness.",
    )(command)


def language_option(command: F) -> F:
    """`--lang`: the language of what others read."""
    return click.option(
        "--lang",
        "language",
        type=click.Choice(["fr", "en"]),
        default="fr",
        show_default=True,
        help="The language; the measures stay as the contract words them.",
    )(command)


def directory_option(otherwise: str) -> Callable[[F], F]:
    """`-o`: the directory that what is written goes into; `otherwise` says where without it."""
    return click.option(
        "-o",
        "--output",
        "directory",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help=f"Where the files go, made if needed; {otherwise} otherwise.",
    )


def max_age_option(command: F) -> F:
    """`--max-age`: how old the look at a check may be."""
    return click.option(
        "--max-age",
        type=click.IntRange(min=1),
        default=7,
        show_default=True,
        metavar="DAYS",
        help="What no run has looked at for longer counts as unmeasured.",
    )(command)


def selection_options(command: F) -> F:
    """`--limit`, `--role` and `--measure`: each narrows what the command works on."""
    measure = click.option(
        "-m", "--measure", "measures", multiple=True, metavar="N",
        shell_complete=complete_measure,
        help="Only what keeps this measure of the PAS, as 6.2.1; may be repeated.",
    )  # fmt: skip
    return limit_option(role_option(measure(command)))


def role_option(command: F) -> F:
    """`--role NAME`, repeated: only these roles."""
    return click.option(
        "-r", "--role", "roles", multiple=True, metavar="NAME", shell_complete=complete_role,
        help="Only this role; may be repeated.",
    )(command)  # fmt: skip


def limit_option(command: F) -> F:
    """`--limit HOST`: the hosts or groups that the command works on."""
    return click.option(
        "-l", "--limit", "--host", "limit", multiple=True, metavar="HOST",
        shell_complete=complete_host,
        help="Only these hosts or groups, separated by commas.",
    )(command)  # fmt: skip


def strategy_option(command: F) -> F:
    """`--strategy`: the way out when Mitogen is suspected."""
    return click.option(
        "--strategy",
        type=click.Choice(["mitogen", "linear"]),
        envvar="PAS_INFRA_STRATEGY",
        help="How Ansible runs: mitogen is faster (the default where installed), linear is stock.",
    )(command)


def ask_for(name: str) -> str:
    """What somebody types who is asked to confirm a destruction by a name.

    Raises Interrupted when nobody answers.
    """
    try:
        answer: str = click.prompt(
            f"Type {name} to destroy this", default="", show_default=False, err=True
        )
    except click.Abort as stop:
        raise Interrupted(
            "nobody confirmed: nothing was changed",
            next_step="type the name, or give --confirm where nobody is there to type",
        ) from stop
    return answer
