"""How procedures stand in an environment, and that the report says it in every edition."""

import re
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from report_store import NOW, desk_of, everywhere

from orchestrator.environment import load_environment
from orchestrator.environment.registers import read_registers
from orchestrator.paths import project_root
from orchestrator.procedures import procedures
from orchestrator.registers.approvals import Approval, approvals
from orchestrator.registers.facts import gather
from orchestrator.report import LANGUAGES, Edition, page
from orchestrator.report.sections import content_of
from orchestrator.report.wording import wording

LAB = project_root() / "inventories/lab"
AS_OF = date(2026, 11, 26)
# What is changed in the registers (a pattern), the day, and how the procedure named then stands.
STATES = {
    "in force": ("", "", AS_OF, "restauration", Approval.IN_FORCE),
    "nobody approved it": ("document: restauration", "document: restoration", AS_OF,
                           "restauration", Approval.MISSING),
    "another text was approved": ("sha256: .{8}", "sha256: 00000000", AS_OF, "sauvegarde",
                                  Approval.ALTERED),
    "a missing file": (r"docs/procedures/sauvegarde\.md", "docs/none.md", AS_OF, "sauvegarde",
                       Approval.ALTERED),
    "the last day of a review": ("", "", date(2027, 11, 25), "sauvegarde", Approval.IN_FORCE),
    "the day after": ("", "", date(2027, 11, 26), "sauvegarde", Approval.OVERDUE),
    "the day of an exercise": ("", "", date(2026, 12, 24), "test-de-restauration",
                               Approval.IN_FORCE),
    "an exercise missed": ("", "", date(2026, 12, 25), "test-de-restauration",
                           Approval.NOT_EXERCISED),
    "an exercise that is only promised": ("held_on: 2026-11-24", "held_on: 2040-01-01",
                                          date(2026, 12, 26), "test-de-restauration",
                                          Approval.NOT_EXERCISED),
    "no exercise yet": ("held_on: 2026-11-24", "held_on: 2040-01-01", date(2026, 12, 25),
                        "test-de-restauration", Approval.IN_FORCE),
}  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("registers", "documents"):
        shutil.copytree(LAB / folder, tmp_path / "copy" / folder)
    shutil.copy(LAB / "people.yml", tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("name", STATES)
def test_how_a_procedure_stands(copy: Path, name: str) -> None:
    old, new, day, procedure, approval = STATES[name]
    if old:
        changed = 0
        for register in ("documents", "procedure_exercises"):
            file = copy / f"registers/{register}.yml"
            text, count = re.subn(old, new, file.read_text())
            file.write_text(text)
            changed += count
        assert changed
    registers = read_registers(copy, date(2099, 1, 1))
    environment = replace(load_environment(LAB), directory=copy)
    facts = gather(environment, registers, datetime.combine(day, time(12), UTC))
    found = {one.procedure.name: one for one in approvals(facts)}
    assert len(found) == len(procedures())
    assert found[procedure].approval is approval
    if approval is not Approval.MISSING:
        assert (found[procedure].version, found[procedure].next_review) == (
            "1.0", date(2027, 11, 25),
        )  # fmt: skip


@pytest.mark.parametrize("edition", Edition)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_report_lists_them(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, edition: Edition, language: str
) -> None:
    desk = desk_of(tmp_path, monkeypatch)
    desk.run(everywhere())
    desk.environment = replace(desk.environment, directory=copy)
    register = copy / "registers/procedure_exercises.yml"
    register.write_text(register.read_text().replace("2026-11-24", "2026-10-25"))
    material, words = desk.gather(edition, language), wording(language)
    content = content_of(material)
    late = {one["name"]: one["approval"] for one in content["procedures"]}
    assert late["test-de-restauration"] == "exercise overdue"
    assert late["restauration"] == "in force"
    text = page.html(material, content, words, {})
    part = text.partition('<section id="procedures"')[2].partition("</section>")[0]
    assert words.text("procedures.title") in part
    assert part.count("<tr>") == len(procedures()) + 1
    assert part.count(words.text("procedures.approvals.exercise overdue")) == 1
    assert words.day(date(2027, 11, 25)) in part


def test_a_part_of_the_report_lists_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = desk_of(tmp_path, monkeypatch)
    desk.run(everywhere())
    content = content_of(desk.gather(prefix="13"))
    assert [one["name"] for one in content["procedures"]] == ["fin-de-contrat"]
    content = content_of(desk.gather(prefix="8"))
    assert content["procedures"] == []


def test_a_lab_is_judged_on_its_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = desk_of(tmp_path, monkeypatch)
    desk.run(everywhere())
    later = datetime(2030, 1, 1, tzinfo=UTC)
    assert later > NOW
    states = {one["approval"] for one in content_of(desk.gather())["procedures"]}
    assert states == {Approval.IN_FORCE}
    desk.environment = replace(desk.environment, registers_as_of=later.date())
    states = {one["approval"] for one in content_of(desk.gather())["procedures"]}
    assert states == {Approval.OVERDUE}
