"""`pas-infra certs`: every certificate on the hosts, found by looking."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.certificates import WARN_DAYS
from orchestrator.cli.options import environment_option, hosts_option, json_option
from orchestrator.cli.results import show_faults
from orchestrator.cli.terminal import console, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.certificates.live import CertificateList


@click.command("certs")
@environment_option
@hosts_option
@click.option(
    "--warn-days",
    type=click.IntRange(min=0),
    default=WARN_DAYS,
    show_default=True,
    metavar="DAYS",
    help="A certificate that ends within so many days is a finding.",
)
@click.option(
    "--metrics",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write when each one ends, for Prometheus' node exporter.",
)
@json_option
def command(
    environment_name: str,
    hosts: tuple[str, ...],
    warn_days: int,
    metrics: Path | None,
    *,
    as_json: bool,
) -> int:
    """List every certificate on the hosts, whether somebody declared it or not.

    The hosts are asked; nothing on them is changed. Found are certificates in files, and those that
    listeners of TCP show; what the host merely trusts (/etc/ssl/certs) is left out, and so is sshd,
    which shows none. Ends with 2 when one has ended or will soon, is weak, or has a broken chain; 4
    when a host could not be asked. What was seen is kept beside the store, for `pas-infra status`.
    """
    from datetime import UTC, datetime, timedelta

    from orchestrator.certificates.live import list_certificates
    from orchestrator.certificates.memory import remember
    from orchestrator.certificates.metrics import as_metrics
    from orchestrator.engine import connections
    from orchestrator.environment import load_environment
    from orchestrator.metrics import write_metrics
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    chosen = select(environment, limit=hosts)
    now = datetime.now(UTC)
    found = list_certificates(
        connections(environment, chosen.hosts), now, timedelta(days=warn_days)
    )
    if as_json:
        print_json(_as_data(found))
    else:
        _show(found, console())
    if metrics:
        write_metrics(as_metrics(found), metrics)
    remember(environment, found, chosen.hosts, now)
    return found.exit_code


def _show(found: "CertificateList", to: "Console") -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("host", "where", "subject", "signed by", "key", "ends", "used by"):
        table.add_column(title, overflow="fold")
    for one in found.certificates:
        table.add_row(
            one.host,
            escape(one.place),
            escape(one.subject),
            "itself" if one.issuer == one.subject else escape(one.issuer),
            one.key,
            f"{one.ends:%Y-%m-%d}",
            escape("\n".join(one.used_by)),
        )
    to.print(table)
    faults = [(one.host, one.place, fault) for one in found.certificates for fault in one.faults]
    show_faults(faults, found.missing, to)


def _as_data(found: "CertificateList") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "certificates": [
            asdict(one) | {"starts": one.starts.isoformat(), "ends": one.ends.isoformat()}
            for one in found.certificates
        ],
        "missing": dict(found.missing),
    }
