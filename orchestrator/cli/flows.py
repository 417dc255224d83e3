"""`pas-infra flows`: who may reach whom, what the hosts listen on and what they let through."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.options import environment_option, hosts_option, json_option
from orchestrator.cli.terminal import console, print_json
from orchestrator.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.environment import Flow
    from orchestrator.flows.compare import FlowView


@click.command("flows")
@environment_option
@hosts_option
@click.option("--declared", is_flag=True, help="Ask no host: only what flows.yml declares.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write the matrix as a picture, in French, for the PAS file.",
)
@json_option
def command(
    environment_name: str,
    hosts: tuple[str, ...],
    svg: Path | None,
    *,
    declared: bool,
    as_json: bool,
) -> int:
    """Show the flow matrix beside what the hosts really listen on and let through.

    The hosts are asked; nothing on them is changed. Ends with 0 when they listen where a flow
    leads, let it through, and nothing else; 2 when not, 4 when a host could not be asked.
    """
    from orchestrator.environment import load_environment
    from orchestrator.flows.compare import FlowView, declared_matrix, view_flows
    from orchestrator.selection import select

    environment = load_environment(environment_name)
    matrix, chosen = declared_matrix(environment), select(environment, limit=hosts)
    if svg:
        from orchestrator.flows.diagram import draw_flows

        svg.write_text(draw_flows(environment, matrix), "utf-8")
        click.echo(f"the picture is in {svg}", err=True)
    view = FlowView(matrix, {}, {}, ()) if declared else view_flows(environment, chosen.hosts)
    if as_json:
        print_json(_as_data(view))
    else:
        _show(view, console())
    return ExitCode.OK if declared else view.exit_code


def _show(view: "FlowView", to: "Console") -> None:
    from rich.markup import escape
    from rich.table import Table

    asked = bool(view.seen)
    table = Table(box=None, pad_edge=False)
    for title in ("flow", "from", "to", "service", "why", "measures"):
        table.add_column(title, overflow="fold")
    if asked:
        table.add_column("answered by", overflow="fold")
        table.add_column("connections", overflow="fold")
    for flow in view.matrix.flows:
        served = [_serving(view, flow), _opened(view, flow)] if asked else []
        table.add_row(
            flow.name,
            ", ".join(flow.sources),
            ", ".join(flow.destinations),
            flow.service + (f", {flow.rate}" if flow.rate else ""),
            escape(flow.reason),
            ", ".join(flow.measures),
            *served,
        )
    to.print(table)
    for finding in view.findings:
        to.print(f"[red]✗[/] {escape(str(finding))}")
    for host, why in view.missing.items():
        to.print(f"[red]?[/] {host}: {escape(why)}")
    if view.seen and not view.findings:
        to.print(f"[green]✓[/] {', '.join(view.seen)}: listening where a flow leads, nowhere else")


def _serving(view: "FlowView", flow: "Flow") -> str:
    from rich.markup import escape

    served = [
        f"{host}: {', '.join(sorted({one.process or 'the kernel' for one in found}))}"
        for host in flow.destinations
        if (found := view.serving(flow, host))
    ]
    return escape("\n".join(served))


def _opened(view: "FlowView", flow: "Flow") -> str:
    """How many connections each host has let through since its rules were loaded."""
    return "\n".join(
        f"{host}: {found.filtering.opened[flow.name]}"
        for host, found in view.seen.items()
        if flow.name in found.filtering.opened
    )


def _as_data(view: "FlowView") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **view.matrix.as_data(),
        "seen": {host: asdict(found) for host, found in view.seen.items()},
        "findings": [asdict(finding) for finding in view.findings],
        "missing": dict(view.missing),
    }
