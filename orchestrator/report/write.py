"""A report from the store to its files; a run of its own, which the next report compares with."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.catalogue import load_catalogue
from orchestrator.environment import Environment
from orchestrator.measures import select, view_measures
from orchestrator.operator import commit_of
from orchestrator.paths import project_root
from orchestrator.registers.approvals import Approved, approvals
from orchestrator.registers.facts import facts_of
from orchestrator.report import page
from orchestrator.report.equipment import last_equipment
from orchestrator.report.files import make_directory, put
from orchestrator.report.material import Edition, Material
from orchestrator.report.past import (
    COMMAND,
    changes,
    operations,
    report_before,
    states_as_option,
    trend,
)
from orchestrator.report.sections import content_of
from orchestrator.report.standing import require_looks, standings
from orchestrator.report.wording import wording
from orchestrator.runs import recorded
from orchestrator.store import Store


@dataclass(frozen=True)
class Written:
    """A report: its run, its files, and what it says (`SECTIONS` name the parts)."""

    run: int
    html: Path
    pdf: Path
    content: Mapping[str, Any]


def write_report(
    environment: Environment,
    directory: Path,
    *,
    edition: Edition,
    language: str,
    prefix: str | None,
    max_age: timedelta,
    now: datetime,
) -> Written:
    """Write the report of the measures below `prefix`, or of all, into `directory`.

    Raises PasInfraError for an unknown measure, when no run has looked at a check yet, for a store
    or a register that cannot be read and a directory that cannot be written to.
    """
    material = gather(
        environment, edition=edition, language=language, prefix=prefix, max_age=max_age, now=now
    )
    directory = make_directory(directory, "report")
    options = {
        "edition": edition,
        "lang": language,
        "measures": prefix,
        "states": states_as_option(material.standings),
    }
    with recorded(environment, COMMAND, options) as run:
        content, words = content_of(material), wording(language)
        text = page.html(material, content, words, _role_pages(material, directory))
        file = directory / f"pas-{environment.name}-{now:%Y-%m-%d}-{edition}-{language}.html"
        printed = file.with_suffix(".pdf")
        as_pdf = page.pdf(text)  # before anything is written: it is what may fail
        put(file, text.encode())
        put(printed, as_pdf)
        return Written(run.id, file, printed, content)


def gather(
    environment: Environment,
    *,
    edition: Edition,
    language: str,
    prefix: str | None,
    max_age: timedelta,
    now: datetime,
) -> Material:
    """Everything that the report is made of, from the store and, of procedures, a register.

    Raises as `write_report` does.
    """
    catalogue = load_catalogue()
    views = view_measures(catalogue, project_root(), environment.pas_document)
    asked = {view.measure.number for view in select(views, catalogue, prefix=prefix)}
    with Store.open(environment.store_directory, environment.name) as store:
        found = standings(views, environment, store, max_age=max_age, now=now)
        require_looks(found, store)
        before = report_before(store, edition, language)
        return Material(
            environment,
            catalogue,
            edition,
            standings=found,
            shown=tuple(one for one in found if one.number in asked),
            points=trend(store, environment, catalogue, now),
            before=before,
            changes=changes(found, before),
            operations=operations(store, environment),
            equipment=last_equipment(store, environment),
            procedures=_procedures(environment, now),
            max_age=max_age,
            now=now,
            commit=commit_of(project_root()),
        )


def _procedures(environment: Environment, now: datetime) -> tuple[Approved, ...]:
    return approvals(facts_of(environment, now))


def _role_pages(material: Material, directory: Path) -> dict[str, str]:
    """Where the pages of the roles are, seen from the report; a client has none of them."""
    if not material.internal:
        return {}
    files = (project_root() / "roles").glob("*/README.md")
    return {file.parent.name: os.path.relpath(file, directory) for file in files}
