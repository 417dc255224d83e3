"""`pas-infra measures`: the measures, and the roles and checks behind each."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from orchestrator.cli.options import complete_measure, environment_option, json_option
from orchestrator.cli.terminal import console, print_json

if TYPE_CHECKING:
    from orchestrator.measures import MeasureView


@click.command("measures")
@click.argument("number", required=False, shell_complete=complete_measure)
@environment_option
@click.option(
    "--kind",
    type=click.Choice(["technical", "evidence", "organisational"]),
    help="Only the measures of this kind.",
)
@click.option("--uncovered", is_flag=True, help="Only the measures that no check proves.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    number: str | None,
    environment_name: str,
    kind: str | None,
    *,
    uncovered: bool,
    as_json: bool,
) -> None:
    """Show the measures, and the roles and checks behind each.

    NUMBER is a measure (6.2.1), a section (6.2) or a chapter (6): shown in detail, as the
    environment's PAS document words it. Without NUMBER: a table of all measures.
    """
    from orchestrator.catalogue import Kind, load_catalogue
    from orchestrator.measures import select, view_measures
    from orchestrator.paths import project_root

    catalogue = load_catalogue()
    if number:
        catalogue.below(number)  # an unknown number is said before anything else is read
    document = _pas_document(environment_name, given=_was_given(ctx, "environment_name"))
    views = select(
        view_measures(catalogue, project_root(), document),
        catalogue,
        prefix=number,
        kind=Kind(kind) if kind else None,
        uncovered=uncovered,
    )
    if as_json:
        print_json(_as_data(views, document))
    elif number:
        _show_details(views)
    else:
        _show_table(views)
    if not as_json:
        _show_counts(views)


def _was_given(ctx: click.Context, parameter: str) -> bool:
    return ctx.get_parameter_source(parameter) is not ParameterSource.DEFAULT


def _pas_document(name: str, *, given: bool) -> Path | None:
    """The environment's document; the bare catalogue needs no environment, unless one is named."""
    from orchestrator.environment import environment_names, load_environment

    if not given and name not in environment_names():
        return None
    document: Path | None = load_environment(name).pas_document
    return document


def _place(file: Path, line: int) -> str:
    from orchestrator.paths import project_root

    root = project_root()
    return f"{file.relative_to(root) if file.is_relative_to(root) else file}:{line}"


def _as_data(views: Sequence["MeasureView"], document: Path | None) -> dict[str, Any]:
    from dataclasses import asdict

    from orchestrator.measures import count

    return {
        "document": str(document) if document else None,
        "coverage": asdict(count(views)),
        "measures": [
            {
                **asdict(view.measure),
                "covered": view.covered,
                "not_promised": view.not_promised,
                "clauses": [asdict(clause) for clause in view.clauses],
                "tasks": [
                    {"role": task.role, "task": task.task, "place": _place(task.file, task.line)}
                    for task in view.tasks
                ],
                "checks": [
                    {
                        "check": check.check,
                        "title": check.title,
                        "place": _place(check.file, check.line),
                    }
                    for check in view.checks
                ],
            }
            for view in views
        ],
    }


def _show_table(views: Sequence["MeasureView"]) -> None:
    from rich.table import Table

    from orchestrator.catalogue import load_catalogue

    table = Table(box=None, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    table.add_column("title")
    table.add_column("kind")
    table.add_column("tasks", justify="right")
    table.add_column("checks", justify="right")
    for chapter in load_catalogue().chapters:
        inside = [view for view in views if view.measure.chapter == chapter.number]
        if inside:
            table.add_row(f"[bold]{chapter.number}[/]", f"[bold]{chapter.title}[/]")
        for view in inside:
            table.add_row(
                view.measure.number,
                view.measure.title,
                view.measure.kind,
                str(len(view.tasks) or "-"),
                str(len(view.checks) or "-"),
            )
    console().print(table)


def _show_details(views: Sequence["MeasureView"]) -> None:
    for index, view in enumerate(views):
        if index:
            click.echo()
        measure = view.measure
        click.secho(f"{measure.number}  {measure.title}", bold=True)
        click.echo(f"  {measure.summary}")
        click.echo(f"  kind: {measure.kind}, owner: {measure.owner}")
        if measure.note:
            click.echo(f"  note: {measure.note}")
        if measure.unproven:
            click.echo(f"  not looked at yet: {measure.unproven}")
        if view.not_promised:
            click.echo(f"  not promised by this contract: {view.not_promised}")
        for clause in view.clauses:
            click.echo(f"  contract, clause {clause.number} (line {clause.line}):")
            for line in clause.text.splitlines():
                click.echo(f"    {line}")
        click.echo("  tasks:" if view.tasks else "  tasks: none")
        for task in view.tasks:
            click.echo(f"    {task.role}: {task.task} ({_place(task.file, task.line)})")
        click.echo("  checks:" if view.checks else "  checks: none")
        for check in view.checks:
            click.echo(f"    {check.check}: {check.title} ({_place(check.file, check.line)})")


def _show_counts(views: Sequence["MeasureView"]) -> None:
    from orchestrator.measures import count

    coverage = count(views)
    noun = "measure" if coverage.measures == 1 else "measures"
    click.echo(
        f"{coverage.measures} {noun}: {coverage.covered} covered by a check, "
        f"{coverage.unproven} with tasks but no check, {coverage.bare} with neither",
        err=True,
    )
