"""`pas-infra access`: who can do what, as the hosts say; reviewed, granted, revoked."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from orchestrator.cli.options import (
    complete_declared,
    environment_option,
    hosts_option,
    json_option,
)
from orchestrator.cli.progress import progress_of
from orchestrator.cli.terminal import console, print_json
from orchestrator.errors import Incomplete, Interrupted
from orchestrator.exit_codes import ExitCode

if TYPE_CHECKING:
    from orchestrator.access.edit import Change
    from orchestrator.access.listing import AccessList, Reviewed
    from orchestrator.access.review import Decision

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.group("access", short_help="See, review, grant and revoke access to the hosts.")
def command() -> None:
    """Who can do what on which host: as the hosts say, against what people.yml declares."""


@command.command("list", short_help="List who can do what, as the hosts say.")
@environment_option
@hosts_option
@click.option(
    "--account", metavar="NAME", shell_complete=complete_declared, help="Only this account."
)
@json_option
def list_access(
    environment_name: str, hosts: tuple[str, ...], account: str | None, *, as_json: bool
) -> int:
    """List every account by which something can be done, and how it departs from people.yml.

    The hosts are asked; nothing on them is changed. Ends with 0 when all is as declared, 2 when
    something is not, 4 when a host could not be asked.
    """
    from orchestrator.cli.access_view import access_as_json, show_access

    found = _ask_hosts(environment_name, hosts)
    if account is not None:
        found = found.of_account(account)
    if as_json:
        print_json(access_as_json(found))
    else:
        show_access(found, console())
    return found.exit_code


@command.command("review", short_help="Decide on every account, and record it.")
@environment_option
@click.option(
    "--decisions",
    "decisions_file",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the decisions from this YAML file, and ask nothing.",
)
@json_option
def review(environment_name: str, decisions_file: Path | None, *, as_json: bool) -> None:
    """Decide on every account that the hosts know, and record it in the register of reviews.

    Each account is kept, changed or revoked, with a remark. Nothing is written before all are
    decided, nor when a host could not be asked.
    """
    from orchestrator.access.review import next_due, read_decisions, read_reviews, record_review
    from orchestrator.cli.access_view import say_what_follows, show_access
    from orchestrator.environment import load_environment
    from orchestrator.operator import current_operator

    decisions = read_decisions(decisions_file) if decisions_file else None
    environment = load_environment(environment_name)
    found = _ask_hosts(environment_name, ())
    told = console(stderr=True)
    show_access(found, told)
    if found.live.missing:
        raise Incomplete(
            f"nothing is known of {', '.join(found.live.missing)}, so access cannot be reviewed; "
            "nothing was written",
            next_step="make every host answer (pas-infra doctor), then review again",
        )
    file = record_review(
        environment.directory,
        decisions if decisions is not None else [_decide(each) for each in found.reviewed],
        accounts={each.account for each in found.reviewed},
        live_list=found.digest,
        hosts=list(found.live.accounts),
        by=current_operator(),
        today=date.today(),
    )
    reviews = read_reviews(environment.directory)
    due = next_due(reviews)
    if as_json:
        print_json({**reviews[-1], "file": file, "next_due": due})
    else:
        click.echo(f"recorded in {file}; the next review is due on {due}")
    say_what_follows(reviews[-1]["decisions"], found, environment_name)


@command.command("grant", short_help="Declare a person in people.yml.")
@click.argument("account")
@environment_option
@click.option("--name", required=True, help="The person's name.")
@click.option("--email", help="Where the person is written to.")
@click.option(
    "--right",
    "rights",
    required=True,
    multiple=True,
    metavar="NAME",
    shell_complete=complete_declared,
    help="A right that people.yml declares; may be repeated.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="HOST",
    shell_complete=complete_declared,
    help="Only on this host; may be repeated. Every host without it.",
)
@click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The .pub file of a key; may be repeated.",
)
@click.option(
    "--second-factor",
    required=True,
    type=click.Choice(["fido2", "totp"]),
    help="fido2: the keys lie in tokens; totp: a one-time code besides the key.",
)
@click.option(
    "--place",
    required=True,
    metavar="CITY,CC",
    help="Where the person works from, with the country's ISO code: `Lille, FR`.",
)
@click.option(
    "--until",
    required=True,
    metavar="YYYY-MM-DD",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The last day on which the account may be used.",
)
@yes_option
def grant(
    account: str, environment_name: str, name: str, email: str | None, rights: tuple[str, ...],
    hosts: tuple[str, ...], keys: tuple[Path, ...], second_factor: str, place: str,
    until: datetime, *, yes: bool,
) -> int:  # fmt: skip
    """Declare a person, who has no account yet, in people.yml: shows the change, asks, writes it.

    The hosts follow with the next `pas-infra apply`.
    """
    from orchestrator.access.edit import grant as granted
    from orchestrator.access.edit import read_key
    from orchestrator.cli.access_view import say_apply
    from orchestrator.environment import find_environment

    city, _, country = (part.strip() for part in place.rpartition(","))
    if not city:
        raise click.BadParameter("give the city and the country's code: `Lille, FR`",
                                 param_hint="--place")  # fmt: skip
    person: dict[str, Any] = {
        "account": account,
        "name": name,
        "email": email,
        "rights": list(rights),
        "hosts": list(hosts),
        "keys": [read_key(file) for file in keys],
        "second_factor": second_factor,
        "place": {"city": city, "country": country},
        "valid_until": until.date().isoformat(),
    }
    given = {key: value for key, value in person.items() if value}
    change = granted(find_environment(environment_name), given)
    if not _write(change, yes=yes):
        return ExitCode.INTERRUPTED
    if second_factor == "totp":
        click.echo(f"next:  vault a seed for {account} in accounts_totp_seeds", err=True)
    say_apply(environment_name)
    return ExitCode.OK


@command.command("revoke", short_help="Take an account out of people.yml.")
@click.argument("account", shell_complete=complete_declared)
@environment_option
@yes_option
def revoke(account: str, environment_name: str, *, yes: bool) -> int:
    """Take ACCOUNT out of people.yml: shows the change, asks, writes it.

    The next `pas-infra apply` ends its sessions and removes it from the hosts. Refused for your own
    account, for the last administrator of a host, for the owner of a machine account, and while a
    key of it may still unlock disks (`initramfs_unlock_keys`).
    """
    from orchestrator.access.edit import revoke as revoked
    from orchestrator.cli.access_view import say_apply
    from orchestrator.environment import find_environment
    from orchestrator.operator import current_operator

    change = revoked(find_environment(environment_name), account, operator=current_operator())
    if not _write(change, yes=yes):
        return ExitCode.INTERRUPTED
    say_apply(environment_name)
    return ExitCode.OK


@command.command("password", short_help="Print a new password, as strong as ANSSI asks.")
@click.option(
    "--length",
    type=click.IntRange(1, 128),
    default=20,
    show_default=True,
    metavar="N",
    help="How many characters.",
)
@click.option(
    "--words",
    type=click.IntRange(1, 32),
    metavar="N",
    help="A passphrase of so many made-up words instead; 6 are enough.",
)
def password(length: int, words: int | None) -> None:
    """Print a new password as ANSSI asks of an administrator's (PG-078): 100 bits or more.

    The password alone goes to stdout, how strong it is to stderr. It is kept nowhere.
    """
    from orchestrator.access.password import generate_passphrase, generate_password

    made = generate_passphrase(words) if words else generate_password(length)
    click.echo(made.text)
    click.echo(made.strength, err=True)


def _ask_hosts(environment_name: str, hosts: tuple[str, ...]) -> "AccessList":
    from orchestrator.access.listing import list_access as listed
    from orchestrator.environment import load_environment
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    with progress_of("access"):
        return listed(environment, select(environment, limit=hosts).hosts)


def _decide(on: "Reviewed") -> "Decision":
    from orchestrator.access.review import Choice, Decision

    known = ": ".join(filter(None, (on.who, ", ".join(on.rights)))) or "nobody knows who"
    click.echo(f"\n{known} ({on.state} on {', '.join(on.hosts)})", err=True)
    choice = click.Choice(get_args(Choice))
    try:
        decision: Choice = click.prompt(on.account, type=choice, err=True)
        remark = click.prompt("  why", err=True)
    except click.Abort as stop:
        raise Interrupted(
            "not every account was decided on: nothing was written",
            next_step="decide on each, or give --decisions FILE where nobody is there to answer",
        ) from stop
    return Decision(on.account, decision, remark)


def _write(change: "Change", *, yes: bool) -> bool:
    """Show the change, and make it if that is wanted; returns whether it was."""
    from orchestrator.cli.results import show_diff

    show_diff(change.diff, console(stderr=True))
    try:
        wanted = yes or click.confirm(f"Write this to {change.file}?", err=True)
    except click.Abort as stop:
        raise Interrupted(
            "nobody approved the change: nothing was written",
            next_step="answer y, or give --yes where nobody is there to answer",
        ) from stop
    if wanted:
        change.write()
    click.echo(f"written: {change.file}" if wanted else "nothing was written", err=True)
    return wanted
