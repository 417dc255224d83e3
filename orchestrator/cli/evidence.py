"""`pas-infra evidence`: signed bundles of what was recorded, and whether anybody has changed it."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.options import (
    OutputFile,
    directory_option,
    edition_option,
    environment_option,
    json_option,
    language_option,
    max_age_option,
)
from orchestrator.cli.terminal import console, print_json
from orchestrator.exit_codes import ExitCode

if TYPE_CHECKING:
    from orchestrator.evidence import Verified

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("evidence")
def command() -> None:
    """Hand what was recorded to an auditor, signed; find what was changed since."""


@command.command("export")
@environment_option
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    envvar="PAS_INFRA_EVIDENCE_KEY",
    required=True,
    metavar="FILE",
    help="SSH key to sign with; the public key of one that ssh-agent holds does too.",
)
@click.option("--since-last", is_flag=True, help="Only what was recorded since the last bundle.")
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="The bundle; evidence-NAME-FIRST-LAST.tar.gz here, if not given.",
)
@max_age_option
@json_option
def export_command(
    environment_name: str,
    key: Path,
    output: Path | None,
    max_age: int,
    *,
    since_last: bool,
    as_json: bool,
) -> int:
    """Write a signed bundle of every recorded run, or of those since the last bundle.

    An auditor verifies it with `evidence verify`, or with ssh-keygen, sha256sum and python3 alone:
    the bundle says how. The export is a run of its own, so it is in the next bundle. Ends with 2
    when what was exported is not what was recorded: the bundle is written all the same, and shows
    it.
    """
    from orchestrator.environment import load_environment
    from orchestrator.evidence import export

    exported = export(
        load_environment(environment_name),
        key,
        output,
        since_last=since_last,
        max_age=timedelta(days=max_age),
    )
    manifest = exported.manifest
    if as_json:
        print_json(
            {
                "file": str(exported.file),
                "sha256": exported.sha256,
                "manifest": manifest.as_data(),
                "key": exported.verified.key,
                "findings": [finding.__dict__ for finding in exported.verified.findings],
            }
        )
    else:
        click.echo(exported.file)
        to = console(stderr=True)
        to.print(
            f"{_count(manifest.links, 'link')}, {manifest.started} to {manifest.ended}: "
            f"{manifest.after.position + 1} to {manifest.until.position}"
        )
        to.print(f"SHA-256 {exported.sha256}")
        to.print(f"signed with {exported.verified.key}")
        _show_findings(exported.verified)
    return ExitCode.FINDINGS if exported.verified.findings else ExitCode.OK


@command.command("oscal")
@environment_option
@edition_option
@language_option
@max_age_option
@directory_option("`oscal/EDITION` beside the store")
@json_option
def oscal_command(
    environment_name: str,
    edition: str,
    language: str,
    max_age: int,
    directory: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write where the measures stand as OSCAL, for the tools of a client or an auditor.

    Three files: the measures (catalog.json), what keeps and what proves them
    (component-definition.json), and each verdict with what was seen (assessment-results.json). They
    say what the report of the same edition does; no host is asked. A signed bundle of `evidence
    export` holds internal ones too, of what its own records show. The files' paths go to stdout.
    """
    from orchestrator.environment import load_environment
    from orchestrator.oscal import write_documents
    from orchestrator.report import Edition
    from orchestrator.runs import utc_now

    environment = load_environment(environment_name)
    written = write_documents(
        environment,
        directory or environment.store_directory / "oscal" / edition,
        edition=Edition(edition),
        language=language,
        max_age=timedelta(days=max_age),
        now=utc_now(),
    )
    if as_json:
        print_json({"files": {file.stem: str(file) for file in written}})
    else:
        for file in written:
            click.echo(file)


@command.command("verify")
@click.argument("file", required=False, type=_File)
@environment_option
@click.option(
    "--after",
    type=_File,
    metavar="FILE",
    help="The bundle before: is anything missing between them, or other than it was?",
)
@click.option(
    "--allowed-signers",
    type=_File,
    envvar="PAS_INFRA_ALLOWED_SIGNERS",
    metavar="FILE",
    help="Who may sign, as `ssh-keygen -Y verify` reads it.",
)
@json_option
def verify_command(
    file: Path | None,
    environment_name: str,
    after: Path | None,
    allowed_signers: Path | None,
    *,
    as_json: bool,
) -> int:
    """Find every record that was changed, removed, put in or moved.

    FILE is a bundle; nothing but it is needed, on any machine. Without FILE, the store of the
    environment is looked at. Ends with 0 when all is as it was recorded, 2 when something is not, 1
    when it cannot be read, and 4 when nothing can be said: nothing is recorded, or nobody said who
    may sign the bundle.
    """
    from orchestrator.environment import load_environment
    from orchestrator.evidence import verify_bundle, verify_store
    from orchestrator.runs import utc_now
    from orchestrator.store import Store

    if file:
        verified = verify_bundle(file, allowed_signers, after, utc_now())
    else:
        environment = load_environment(environment_name)
        with Store.open(environment.store_directory, environment.name) as store:
            verified = verify_store(store, allowed_signers, after, utc_now())
    if as_json:
        print_json(_as_data(verified))
    else:
        _show(verified)
    return verified.exit_code


def _show(verified: "Verified") -> None:
    from orchestrator.engine import printable

    _show_findings(verified)
    links, manifest = verified.links, verified.manifest
    if not verified.findings and not links:
        click.echo(f"{verified.subject}: nothing is recorded, so nothing can be said")
    elif not verified.findings:
        span = f", {manifest.started} to {manifest.ended}" if manifest else ""
        count = _count(len(links), "link")
        click.echo(printable(f"{verified.subject}: {count}, all as recorded{span}"))
        click.echo(f"last link: {links[-1].position} {links[-1].sha256}")
    if verified.later:
        click.echo(
            f"{verified.later} of them were chained later than they ended: of the time before "
            "their links say nothing"
        )
    if verified.signer:
        click.echo(printable(f"signed by {verified.signer} with {verified.key}"))
    elif verified.key:
        click.echo(
            f"signed with {verified.key}; whether that key may sign, nobody said: give "
            "--allowed-signers",
            err=True,
        )


def _show_findings(verified: "Verified") -> None:
    from orchestrator.engine import printable

    # Whoever forged a bundle has written what is quoted of it.
    for finding in verified.findings:
        click.echo(click.style("✗ ", fg="red") + printable(str(finding)))
    if verified.findings:
        click.echo(f"{verified.subject}: {_count(len(verified.findings), 'finding')}", err=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _as_data(verified: "Verified") -> dict[str, Any]:
    return {
        "subject": str(verified.subject),
        "findings": [finding.__dict__ for finding in verified.findings],
        "links": len(verified.links),
        "last_link": verified.links[-1].sha256 if verified.links else None,
        "chained_later": verified.later,
        "manifest": verified.manifest.as_data() if verified.manifest else None,
        "key": verified.key or None,
        "signer": verified.signer,
    }
