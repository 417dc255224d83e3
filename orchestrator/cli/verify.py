"""`pas-infra verify`: prove each measure on the live hosts."""

from pathlib import Path

import click

from orchestrator.cli.options import (
    OutputFile,
    environment_option,
    json_option,
    selection_options,
)
from orchestrator.cli.progress import progress_of
from orchestrator.cli.results import show_verification, verification_as_json
from orchestrator.cli.terminal import console, print_json


@click.command("verify")
@environment_option
@selection_options
@click.option(
    "--junit",
    type=OutputFile(),
    help="Write the results as JUnit XML too.",
)
@json_option
def command(
    environment_name: str,
    limit: tuple[str, ...],
    roles: tuple[str, ...],
    measures: tuple[str, ...],
    junit: Path | None,
    as_json: bool,  # noqa: FBT001 - click passes options by name
) -> int:
    """Run the checks on the hosts, and say of each measure whether it is kept.

    Exit 2 when a check does not hold, 4 when something could not be measured that should have been.
    """
    from orchestrator.environment import load_environment
    from orchestrator.junit import junit_xml
    from orchestrator.selection import select
    from orchestrator.verify import verify_and_record

    environment = load_environment(environment_name)
    selection = select(environment, limit=limit, roles=roles, measures=measures)
    with progress_of("verify"):
        verification = verify_and_record(environment, selection)
    if junit is not None:
        junit.write_text(junit_xml(verification), "utf-8")
    if as_json:
        print_json(verification_as_json(verification))
    else:
        show_verification(verification, console())
    return verification.exit_code
