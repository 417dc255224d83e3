"""The measures as an environment promises them, with the roles and the checks behind each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.catalogue import (
    Catalogue,
    CheckReference,
    Clause,
    Kind,
    Measure,
    TaskReference,
    check_measures,
    contract_problems,
    coverage_problems,
    load_contract,
    role_measures,
)
from orchestrator.errors import ConfigurationInvalid, Problem


@dataclass(frozen=True)
class MeasureView:
    """One measure, the contract's wording of it, and what stands behind it."""

    measure: Measure
    clauses: tuple[Clause, ...]
    tasks: tuple[TaskReference, ...]
    checks: tuple[CheckReference, ...]
    not_promised: str = ""  # the contract's reason, when it leaves this measure out

    @property
    def covered(self) -> bool:
        """Whether a check proves it: a task without a check is a promise that nobody watches."""
        return bool(self.checks)


@dataclass(frozen=True)
class Coverage:
    """How many measures stand where; the three parts add up to `measures`."""

    measures: int
    covered: int
    unproven: int  # tasks, but no check
    bare: int  # neither


def view_measures(
    catalogue: Catalogue, project: Path, document: Path | None = None
) -> tuple[MeasureView, ...]:
    """Every measure of the catalogue, in order, seen against a project and a PAS document.

    `project` holds `roles/`, `tests/hosts/` and `tests/registers/`. Raises `ConfigurationInvalid`
    with every problem of the document, of the tags and of the marks.
    """
    roles = project / "roles"
    checks = [project / "tests" / kind for kind in ("hosts", "registers")]
    found = [problem for each in checks for problem in coverage_problems(roles, each, catalogue)]
    problems: list[Problem] = list(dict.fromkeys(found))
    contract = load_contract(document) if document else None
    if contract:
        problems += contract_problems(contract, catalogue)
    if problems:
        raise ConfigurationInvalid(problems)
    tasks_of, checks_of = role_measures(roles), [check_measures(each) for each in checks]
    return tuple(
        MeasureView(
            measure,
            contract.wording(measure.number) if contract else (),
            tasks_of.get(measure.number, ()),
            tuple(check for each in checks_of for check in each.get(measure.number, ())),
            contract.clause_map.not_promised.get(measure.number, "") if contract else "",
        )
        for measure in catalogue
    )


def view_checks(catalogue: Catalogue, project: Path) -> tuple[MeasureView, ...]:
    """Every measure with the checks that prove it alone, which is all that its verdict rests on.

    It reads no role and no document, and judges neither: that takes longer than a store's answer.
    """
    found = [check_measures(project / "tests" / kind) for kind in ("hosts", "registers")]
    return tuple(
        MeasureView(
            measure,
            (),
            (),
            tuple(check for each in found for check in each.get(measure.number, ())),
        )
        for measure in catalogue
    )


def select(
    views: Sequence[MeasureView],
    catalogue: Catalogue,
    *,
    prefix: str | None = None,
    kind: Kind | None = None,
    uncovered: bool = False,
) -> tuple[MeasureView, ...]:
    """The views below a number, section or chapter, of a kind, without a check: whatever is given.

    Raises `PasInfraError` for a prefix below which there is no measure.
    """
    wanted = set(catalogue.below(prefix)) if prefix else set(catalogue)
    return tuple(
        view
        for view in views
        if view.measure in wanted
        and (kind is None or view.measure.kind == kind)
        and not (uncovered and view.covered)
    )


def count(views: Sequence[MeasureView]) -> Coverage:
    """Count the views by what stands behind them."""
    covered = sum(view.covered for view in views)
    unproven = sum(bool(view.tasks) and not view.covered for view in views)
    return Coverage(len(views), covered, unproven, len(views) - covered - unproven)
