"""Whoever is declared to administer, and from where; each departure fails the check of 13.1.3."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.catalogue import load_catalogue, measure_state
from orchestrator.cli.results import show_verification
from orchestrator.environment import load_environment
from orchestrator.environment.model import Place
from orchestrator.origins import declared_origins
from orchestrator.paths import project_root
from orchestrator.records import MeasureState, Verdict
from orchestrator.selection import select
from orchestrator.verify import Verification, verify

CHECK = "test_places.py::test_administration_is_declared_to_be_from_france"
# What is declared otherwise: the file, what stands there, what stands there then, and who is named.
ELSEWHERE = {
    "a person": ("people.yml", "{city: Paris, country: FR}", "{city: Genève, country: CH}",
                 "bdurand in Genève, CH"),
    "the control node": ("environment.yml", "{city: Laboratoire, country: FR}",
                         "{city: Bruxelles, country: BE}",
                         "the control node in Bruxelles, BE"),
    "a machine's host": ("environment.yml", "{city: Paris, country: FR}",
                         "{city: Berlin, country: DE}", "pas-backup from sysfab in Berlin, DE"),
    "an origin of nobody's": ("people.yml", '"2001:2::12"]', '"2001:2::99"]',
                              "pas-backup from 2001:2::99, of which no place is known"),
}  # fmt: skip


def abroad(origin: tuple[str, Place | None]) -> bool:
    return origin[1] is None or origin[1].country != "FR"


def spoken(origin: tuple[str, Place | None]) -> str:
    who, place = origin
    return (
        f"{who} in {place.city}, {place.country}" if place else f"{who}, of which no place is known"
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    directory = tmp_path / "inventories/copy"
    shutil.copytree(project_root() / "inventories/lab", directory)
    return directory


@pytest.fixture
def verified(copy: Path) -> Callable[[], Verification]:
    def go() -> Verification:
        environment = load_environment(copy)
        return verify(environment, select(environment, measures=["13.1.2", "13.1.3"]))

    return go


@pytest.mark.parametrize("name", ["lab", "production"])
def test_what_is_delivered_is_administered_from_france(name: str) -> None:
    origins = list(declared_origins(load_environment(name)))
    assert len(origins) > 3
    assert [spoken(one) for one in origins if abroad(one)] == []


def declare(copy: Path, name: str) -> str:
    file, old, new, says = ELSEWHERE[name]
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new, 1))
    return says


@pytest.mark.parametrize("name", ELSEWHERE)
def test_an_origin_elsewhere_is_named(copy: Path, name: str) -> None:
    says = declare(copy, name)
    named = [spoken(one) for one in declared_origins(load_environment(copy)) if abroad(one)]
    assert says in named


def test_an_origin_elsewhere_fails_the_check(
    copy: Path, verified: Callable[[], Verification]
) -> None:
    says = {declare(copy, name) for name in ELSEWHERE}
    found = verified()
    failed = {one.check: one.message for one in found.failed}
    assert {one for one in says if one in failed[CHECK]} == says
    assert found.measures["13.1.3"] is MeasureState.PARTLY


def test_what_is_only_declared_is_not_kept(verified: Callable[[], Verification]) -> None:
    """The checks of declarations hold, and do not see what leaves a host or logs in to it."""
    found = verified()
    assert {one.verdict for one in found.checks} == {Verdict.HOLDS}
    assert found.measures == {
        "13.1.1": MeasureState.KEPT,  # the same checks prove it, and it promises no more
        "13.1.2": MeasureState.UNMEASURED,
        "13.1.3": MeasureState.UNMEASURED,
    }
    written = io.StringIO()
    show_verification(found, Console(file=written, width=200))
    said = written.getvalue()
    assert said.count("? not looked at yet: ") == 2
    assert load_catalogue()["13.1.3"].unproven in said


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [([Verdict.HOLDS], "unmeasured"), ([Verdict.WAIVED], "unmeasured"), ([], "unmeasured"),
     ([Verdict.FAILS], "not kept"), ([Verdict.FAILS, Verdict.HOLDS], "partly")],
)  # fmt: skip
def test_only_success_is_held_back(verdicts: list[Verdict], state: str) -> None:
    unproven = [measure.number for measure in load_catalogue() if measure.unproven]
    assert unproven == ["13.1.2", "13.1.3"]
    assert {measure_state(number, verdicts) for number in unproven} == {state}
    if verdicts == [Verdict.HOLDS]:
        assert measure_state("13.1.1", verdicts) is MeasureState.KEPT
