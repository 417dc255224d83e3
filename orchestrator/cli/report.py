"""`pas-infra report`: each measure, kept or not, with the evidence, as a page and as PDF."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from orchestrator.cli.options import (
    complete_measure,
    directory_option,
    edition_option,
    environment_option,
    json_option,
    language_option,
    max_age_option,
)
from orchestrator.cli.progress import progress_of
from orchestrator.cli.terminal import print_json


@click.command("report")
@environment_option
@edition_option
@language_option
@click.option(
    "-m",
    "--measure",
    "prefix",
    metavar="N",
    shell_complete=complete_measure,
    help="Only this measure (6.2.1), section (6.2) or chapter (6).",
)
@directory_option("`reports` beside the environment's store")
@max_age_option
@json_option
def command(
    environment_name: str,
    edition: str,
    language: str,
    prefix: str | None,
    directory: Path | None,
    max_age: int,
    *,
    as_json: bool,
) -> None:
    """Write the report of the measures, from what the store remembers of the runs.

    Each measure with its verdict, what keeps it, and the dated evidence: an HTML page and the same
    as PDF. No host is asked: `pas-infra verify` does that before. The files' paths go to stdout.
    """
    from orchestrator.environment import load_environment
    from orchestrator.report import Edition, write_report

    environment = load_environment(environment_name)
    with progress_of("report"):
        written = write_report(
            environment,
            directory or environment.store_directory / "reports",
            edition=Edition(edition),
            language=language,
            prefix=prefix,
            max_age=timedelta(days=max_age),
            now=datetime.now(UTC),
        )
    if as_json:
        files = {"html": written.html, "pdf": written.pdf}
        print_json({"run": written.run, "files": files, **written.content})
    else:
        click.echo(written.html)
        click.echo(written.pdf)
