"""`pas-infra backup prune`: the archives that are kept no longer go."""

from typing import TYPE_CHECKING

import click

from orchestrator.cli.backup_sets import chosen_sets, sets_option, told
from orchestrator.cli.backup_view import size
from orchestrator.cli.options import ask_for, environment_option, hosts_option, json_option
from orchestrator.cli.progress import Stages
from orchestrator.cli.terminal import console, print_json

if TYPE_CHECKING:
    from orchestrator.backup import ToDrop


@click.command("prune", short_help="Drop the archives that are kept no longer.")
@environment_option
@hosts_option
@sets_option
@click.option(
    "--confirm", "typed", metavar="ENVIRONMENT",
    help="The environment's name, instead of typing it.",
)  # fmt: skip
@json_option
def prune(
    environment_name: str,
    hosts: tuple[str, ...],
    sets: tuple[str, ...],
    typed: str | None,
    *,
    as_json: bool,
) -> int:
    """Drop archives beyond `backup_source_keep`, once each repository is what it should be.

    Nothing of any is dropped when an archive is missing, unknown, or another one than was made. The
    source marks them as deleted; the target, which has no key, then makes room. Root's copies of
    the days before stay. Cut short, the same command goes on.
    """
    from orchestrator.backup import prune as drop

    environment, chosen = chosen_sets(environment_name, hosts, sets)
    told_to = console(stderr=True)
    with Stages() as stages:

        def confirm(going: "tuple[ToDrop, ...]") -> str:
            stages.end()
            told_to.print("[bold]To be dropped for good:[/]")
            for one in going:
                told_to.print(f"  {one.repository}: {one.stay} archives stay, these go:")
                for archive in one.archives:
                    told_to.print(f"    {archive}", markup=False)
            return typed if typed is not None else ask_for(environment.name)

        done = drop(environment, chosen, stages.begin, confirm)
    if done.declined:
        told_to.print("that is not the environment's name: nothing was dropped")
    if as_json:
        gone = {} if done.declined else {str(one.repository): one.archives for one in done.dropped}
        print_json({"run": done.run_id, "dropped": gone, "freed": done.freed})
        return done.exit_code
    for one in () if done.declined else done.dropped:
        freed = done.freed[str(one.repository)]
        console().print(
            f"{one.repository}: {len(one.archives)} archives dropped, {one.stay} stay, "
            f"{size(freed)} freed",
            markup=False,
        )
    if not done.dropped:
        console().print("nothing is kept for longer than it should be")
    told(done.run_id)
    return done.exit_code
