"""`pas-infra inventory`: every piece of equipment and of software, from the live hosts."""

from pathlib import Path

import click

from orchestrator.cli.options import OutputFile, environment_option, json_option, limit_option
from orchestrator.cli.terminal import console, print_json


@click.command("inventory")
@environment_option
@limit_option
@click.option(
    "--cyclonedx",
    type=OutputFile(),
    metavar="FILE",
    help="Write it as a CycloneDX 1.6 document (JSON), too.",
)
@json_option
def command(
    environment_name: str,
    limit: tuple[str, ...],
    cyclonedx: Path | None,
    *,
    as_json: bool,
) -> int:
    """List what the hosts are made of, and what differs from the last inventory.

    The hosts are asked, nothing on them is changed: machine, interfaces, disks and firmware; every
    package with its version and archive, and programs that came with no package. Function and
    place are those that the environment declares. It is kept in the store.

    Exit 2 when there is equipment that nobody declares (a host, interface, address or disk), or
    some that is declared and not there; 4 when something could not be seen.
    """
    import json
    from datetime import UTC, datetime

    from orchestrator.cli.inventory_view import as_data, show
    from orchestrator.environment import load_environment
    from orchestrator.environment.writing import replace_text
    from orchestrator.inventory.cyclonedx import as_cyclonedx
    from orchestrator.inventory.take import take_inventory
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    taken = take_inventory(environment, select(environment, limit=limit), datetime.now(UTC))
    if cyclonedx:
        document = as_cyclonedx(taken)
        replace_text(cyclonedx, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    if as_json:
        print_json(as_data(taken))
    else:
        show(taken, console())
    return taken.exit_code
