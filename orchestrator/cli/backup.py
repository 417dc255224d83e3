"""`pas-infra backup`: made, looked at, checked, restored, and the restore tested."""

from dataclasses import asdict

import click

from orchestrator.cli.backup_prune import prune
from orchestrator.cli.backup_sets import chosen_sets, sets_option, told
from orchestrator.cli.backup_view import show_status, size, state_as_data
from orchestrator.cli.options import environment_option, hosts_option, json_option
from orchestrator.cli.progress import Stages
from orchestrator.cli.results import show_faults
from orchestrator.cli.terminal import console, print_json

_ESCROW = click.option(
    "--escrow", "from_escrow", is_flag=True, help="Use the key in escrow, not the source's own."
)


@click.group("backup", short_help="Make, check and restore backups, and test the restore.")
def command() -> None:
    """The backups of the data sets of data_sets.yml, and of the clients.

    A data set is called HOST/NAME, as rbx7/system; a client's is HOST/client-NAME.
    """


@command.command("status", short_help="Show how old, large and sound the backups are.")
@environment_option
@hosts_option
@json_option
def status(environment_name: str, hosts: tuple[str, ...], *, as_json: bool) -> int:
    """Show each data set with its last archive, what the target holds of it, and the last check.

    Ends with 2 when a backup is missing, too old, incomplete or much smaller than the one before,
    when its key is not in escrow, or a check found damage; 4 when a host could not be asked.
    """
    from orchestrator.backup import status as look
    from orchestrator.runs import utc_now

    environment, chosen = chosen_sets(environment_name, hosts)
    now = utc_now()
    found = look(environment, chosen, now)
    if as_json:
        print_json(
            {
                "sets": [state_as_data(one) | {"faults": found.faults[str(one.repository)]}
                         for one in found.states],
                "missing": dict(found.missing),
            }
        )  # fmt: skip
    else:
        show_status(found, now, console())
    return found.exit_code


@command.command("run", short_help="Back up now.")
@environment_option
@hosts_option
@sets_option
@json_option
def run(
    environment_name: str, hosts: tuple[str, ...], sets: tuple[str, ...], *, as_json: bool
) -> int:
    """Have the target fetch a backup of every data set now.

    The first time it makes their keys, and puts them into escrow before anything lies under them:
    until then the nightly backup refuses.
    """
    from orchestrator.backup import run as back_up

    environment, chosen = chosen_sets(environment_name, hosts, sets)
    with Stages() as stages:
        done = back_up(environment, chosen, stages.begin)
    if as_json:
        print_json(
            {
                "run": done.run_id,
                "archives": [asdict(entry) | {"host": one.host} for one, entry in done.made],
                "failed": {str(one): why for one, why in done.failed},
            }
        )
        return done.exit_code
    for one, entry in done.made:
        lacks = f"; {len(entry.missing)} are missing" if entry.missing else ""
        console().print(
            f"{one}: {entry.archive}, {entry.files} files, {size(entry.size)}, "
            f"{size(entry.stored)} of it new{lacks}",
            markup=False,
        )
    show_faults([(one.host, one.name, why) for one, why in done.failed], {}, console(stderr=True))
    told(done.run_id)
    return done.exit_code


@command.command("list", short_help="List the archives of a data set.")
@click.argument("name", metavar="HOST/NAME")
@environment_option
@json_option
def listing(name: str, environment_name: str, *, as_json: bool) -> int:
    """List the archives that the repository of a data set holds, beside those that were made.

    Ends with 2 when one has gone, or is there that no backup has made.
    """
    from rich.table import Table

    from orchestrator.backup import list_archives, repository_of
    from orchestrator.backup.listing import exit_code_of
    from orchestrator.environment import load_environment

    environment = load_environment(environment_name)
    with Stages() as stages:
        found = list_archives(environment, repository_of(environment, name), stages.begin)
    if as_json:
        print_json([asdict(one) for one in found])
        return exit_code_of(found)
    table = Table("archive", "files", "size", "new", "", box=None, pad_edge=False)
    for one in found:
        entry = one.entry
        sizes = (str(entry.files), size(entry.size), size(entry.stored)) if entry else ("",) * 3
        table.add_row(one.archive, *sizes, f"[red]{one.fault}[/]" if one.fault else "")
    console().print(table)
    return exit_code_of(found)


@command.command("check", short_help="Look for damage in the repositories.")
@environment_option
@hosts_option
@sets_option
@click.option("--keyless", is_flag=True, help="Only what the target can see, without a key.")
@json_option
def check(
    environment_name: str,
    hosts: tuple[str, ...],
    sets: tuple[str, ...],
    *,
    keyless: bool,
    as_json: bool,
) -> int:
    """Check the repositories: at the target without a key, then all data with the source's keys.

    Ends with 2 when something is damaged.
    """
    from rich.markup import escape

    from orchestrator.backup import check as look

    environment, chosen = chosen_sets(environment_name, hosts, sets)
    with Stages() as stages:
        found = look(environment, chosen, stages.begin, keyless=keyless)
    if as_json:
        print_json({"run": found.run_id, "damaged": dict(found.damaged)})
        return found.exit_code
    for name, damage in found.damaged.items():
        console().print(f"{name}: {'[bold red]damaged[/]' if damage else 'sound'}")
        for line in damage:
            console().print(f"  {escape(line)}")
    told(found.run_id)
    return found.exit_code


@command.command("restore", short_help="Bring data back to a directory of its host.")
@click.argument("name", metavar="HOST/NAME")
@environment_option
@click.option(
    "--to", required=True, metavar="DIRECTORY", help="Where, absolute; / is its own place."
)
@click.option("--archive", metavar="ARCHIVE", help="Which archive; without it the last one.")
@click.option("--path", "paths", multiple=True, metavar="PATH", help="Only this file or directory.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@_ESCROW
@click.option("--kept", metavar="COPY", help="From this copy of root's at the target.")
@json_option
def restore(
    name: str,
    environment_name: str,
    to: str,
    archive: str | None,
    paths: tuple[str, ...],
    *,
    overwrite: bool,
    from_escrow: bool,
    kept: str | None,
    as_json: bool,
) -> int:
    """Restore a data set, or some paths of it, on the host that it comes from.

    Nothing that is there is replaced without --overwrite. A repository that was tampered with is as
    it was before in the copies that root keeps at the target: `backup status --json` lists them.
    Ends with 2 when something was not restored as it was.
    """
    from orchestrator.backup import repository_of
    from orchestrator.backup import restore as bring_back
    from orchestrator.environment import load_environment

    if not to.startswith("/") or any(not path.startswith("/") for path in paths):
        raise click.UsageError("--to and --path take absolute paths")
    environment = load_environment(environment_name)
    with Stages() as stages:
        done = bring_back(
            environment, repository_of(environment, name), to, stages.begin, archive=archive,
            paths=paths, overwrite=overwrite, from_escrow=from_escrow, kept=kept,
        )  # fmt: skip
    if as_json:
        print_json(asdict(done))
        return done.exit_code
    console().print(
        f"{done.files} files, {size(done.size)}, of {done.archive} are in {done.to}, in "
        f"{done.seconds:.1f} s",
        markup=False,
    )
    for warning in done.warnings:
        console(stderr=True).print(warning, markup=False)
    told(done.run_id)
    return done.exit_code


@command.command("test", short_help="Prove that backups can be restored, and write the minutes.")
@environment_option
@hosts_option
@sets_option
@click.option(
    "--files", type=click.IntRange(min=1), default=200, show_default=True, metavar="N",
    help="So many files of each, at random.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="The whole archive of each.")
@_ESCROW
@json_option
def test(
    environment_name: str,
    hosts: tuple[str, ...],
    sets: tuple[str, ...],
    files: int,
    *,
    everything: bool,
    from_escrow: bool,
    as_json: bool,
) -> int:
    """Restore the last archives beside the live data, and compare each file with that day.

    It measures how long the restore takes (RTO) and how old the archive is (RPO), and writes dated
    minutes in French. Ends with 2 when a file differs.
    """
    from rich.markup import escape

    from orchestrator.backup import restore_test

    environment, chosen = chosen_sets(environment_name, hosts, sets)
    with Stages() as stages:
        done = restore_test(
            environment, chosen, stages.begin, files=None if everything else files,
            from_escrow=from_escrow,
        )  # fmt: skip
    if as_json:
        tested = [
            {
                "set": str(one.repository), "archive": one.entry.archive, "compared": one.compared,
                "rto_s": one.rto, "rpo_s": round(one.rpo), "differing": one.differing,
                "differ": one.differ,
            }
            for one in done.sets
        ]  # fmt: skip
        print_json({"run": done.run_id, "minutes": done.minutes, "sets": tested})
        return done.exit_code
    for one in done.sets:
        said = (
            f"[bold red]{max(one.differ, len(one.faults))} faults[/]"
            if one.faults
            else "all as they were"
        )
        console().print(
            f"{one.repository}: {one.compared} of {one.entry.archive} restored in {one.rto:.1f} s, "
            f"{said}"
        )
        for line in one.faults:
            console().print(f"  {escape(line)}")
    console().print(f"{done.minutes}", soft_wrap=True, markup=False)
    told(done.run_id)
    return done.exit_code


command.add_command(prune)
