"""`pas-infra doctor`: what this control node needs and lacks."""

from dataclasses import asdict

import click

from orchestrator.cli.options import environment_option, json_option
from orchestrator.cli.terminal import console, print_json
from orchestrator.exit_codes import ExitCode


@click.command("doctor")
@environment_option
@json_option
def command(environment_name: str, as_json: bool) -> int:  # noqa: FBT001 - click passes by name
    """Check tools, versions, privileges, disk, keys, the way to every host, and the clocks."""
    import time

    from rich.markup import escape
    from rich.table import Table

    from orchestrator.doctor import Health, bad, diagnose
    from orchestrator.environment import load_environment

    diagnoses = diagnose(load_environment(environment_name), clock=time.time)
    if as_json:
        print_json([asdict(diagnosis) for diagnosis in diagnoses])
    else:
        styles = {Health.GOOD: "green", Health.WARNING: "yellow", Health.BAD: "bold red"}
        table = Table(box=None, header_style="bold")
        for column in ("what", "state", "found", "to do"):
            table.add_column(column, overflow="fold")
        for diagnosis in diagnoses:
            table.add_row(
                diagnosis.subject,
                f"[{styles[diagnosis.health]}]{diagnosis.health}[/]",
                escape(diagnosis.found),
                escape(diagnosis.next_step),
            )
        console().print(table)
    return ExitCode.ERROR if bad(diagnoses) else ExitCode.OK
