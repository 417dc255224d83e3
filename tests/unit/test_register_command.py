"""`pas-infra register` as it is typed: added to, corrected, reviewed; what is wrong is named."""

import io
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import click
import pytest
import yaml

from orchestrator.cli import run
from orchestrator.cli.register import complete_field, complete_register
from orchestrator.environment.registers import read_register
from orchestrator.exit_codes import ExitCode
from orchestrator.operator import current_operator
from orchestrator.paths import project_root

Register = Callable[..., int]
CHANGE = ("change=CHG-2026-02", "description=Arrêt, dix minutes", "planned=2099-12-24",
          "loss_of_function=oui")  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    copy = tmp_path / "inventories/copy"
    shutil.copytree(project_root() / "inventories/lab", copy)
    return copy


@pytest.fixture
def register(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Register:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def ran(verb: str, *words: str, given: Sequence[str] = ()) -> int:
        fields = [part for word in given for part in ("--set", word)]
        return run(["register", verb, *words, "--env", str(directory), *fields])

    return ran


def test_the_example_has_no_finding(register: Register, capsys: pytest.CaptureFixture[str]) -> None:
    assert register("list") == ExitCode.OK
    assert register("check") == ExitCode.OK
    said = capsys.readouterr().out
    assert "Registre des traitements" in said
    assert "0 findings" in said


def test_an_entry_is_ours_to_date_and_sign(
    register: Register, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = directory / "registers/changes.yml"
    before = file.read_text()
    assert register("add", "changes", "--yes", "--json", given=CHANGE) == ExitCode.OK
    assert file.read_text().startswith(before)
    entry = read_register(directory, "changes")[-1]
    assert (entry["date"], entry["by"]) == (date.today().isoformat(), current_operator())
    assert entry["loss_of_function"] is True
    assert entry["description"] == "Arrêt, dix minutes"
    assert json.loads(capsys.readouterr().out)["file"] == str(file)
    for field in ("by=eve", "date=2026-01-01"):
        assert register("add", "changes", "--yes", given=[*CHANGE, field]) == ExitCode.ERROR
        assert "recorded by pas-infra" in capsys.readouterr().err


def test_a_correction_names_what_it_corrects(
    register: Register, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert register("add", "changes", "--yes", given=CHANGE) == ExitCode.OK
    right = (CHANGE[0], "description=Arrêt, vingt minutes", *CHANGE[2:])
    assert register("add", "changes", "--yes", "--corrects", "2", given=right) == ExitCode.OK
    capsys.readouterr()
    register("show", "changes", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert [one["stands"] for one in shown["entries"]] == [True, False, True]
    assert register("add", "changes", "--yes", "--corrects", "9", given=CHANGE) == 5
    assert "changes.yml:29: entry 4 corrects entry 9" in capsys.readouterr().err
    other = ("change=CHG-2026-03", *CHANGE[1:])
    assert register("add", "changes", "--yes", "--corrects", "3", given=other) == 5
    said = capsys.readouterr().err
    assert "changes.yml:29: entry 4 (CHG-2026-03) corrects entry 3 (CHG-2026-02, line 16)" in said
    assert "`ended`" in said


REFUSED = {
    "wrong date": ("changes", [*CHANGE[:2], "planned=2026-02-30", CHANGE[3]], 5,
                   "changes.yml:14: entry 2.planned must be a date"),
    "unknown person": ("assets", ["asset=X", "kind=poste", "person=bdurant",
                                  "handed_out=2026-01-01"], 5, "did you mean `bdurand`"),
    "unknown host": ("locations", ["host=rbx9", "activity=a", "data=d", "supplier=laboratoire",
                                   "city=Paris", "country=FR"], 5, "did you mean `rbx7`"),
    "missing file": ("documents", ["document=pqssi", "file=documents/no.md"], 1,
                     "the document documents/no.md is not there"),
    "a digest of one's own": ("documents", ["sha256=" + "0" * 64], 1, "no field `sha256`"),
    "unknown field": ("changes", ["chnge=x"], 1, "did you mean `change`"),
    "twice": ("changes", [*CHANGE, "change=CHG-2"], 1, "`change` is given twice"),
    "no boolean": ("changes", ["loss_of_function=maybe"], 1, "answer true or false"),
    "no number": ("continuity_exercises", ["promised_hours=many"], 1, "a whole number"),
    "no time of day": ("incidents", [
        "incident=INC-9", "title=t", "detected=2026-11-25", "severity=mineure",
        "affects_clients=non", "state=clos", "actions=a"], 5, "a date and time with its offset"),
    "a command of its own": ("access_reviews", ["hosts=rbx7"], 1, "`pas-infra access review`"),
    "unknown register": ("chnges", [], 1, "did you mean `changes`"),
    "no value": ("changes", ["change"], 1, "is not FIELD=VALUE"),
    "nobody answers": ("changes", ["change=CHG-2"], 130, "nobody answered what `description` is"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named_and_nothing_is_written(
    register: Register, directory: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    name, given, code, says = REFUSED[case]
    before = {file: file.read_bytes() for file in (directory / "registers").iterdir()}
    assert register("add", name, "--yes", given=given) == code
    assert says in capsys.readouterr().err
    assert {file: file.read_bytes() for file in (directory / "registers").iterdir()} == before


def test_the_same_entry_twice_is_a_slip(
    register: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    assert register("add", "changes", "--yes", given=CHANGE) == ExitCode.OK
    assert register("add", "changes", "--yes", given=CHANGE) == ExitCode.CONFIGURATION
    assert "repeats entry 2" in capsys.readouterr().err


def test_an_entry_is_asked_for_field_by_field(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from orchestrator.cli.register import command

    answers = "CHG-2026-02\nArrêt\n2099-01-01\nperhaps\ntrue\n\ny\n"
    words = ["add", "changes", "--env", str(directory)]
    done = CliRunner().invoke(command, words, input=answers, standalone_mode=False)
    assert done.return_value == ExitCode.OK, done.output
    assert "'perhaps' is not one of 'true', 'false'" in done.output
    assert read_register(directory, "changes")[-1]["description"] == "Arrêt"
    refused = CliRunner().invoke(command, words, input=answers[:-2] + "n\n", standalone_mode=False)
    assert refused.return_value == ExitCode.INTERRUPTED
    assert len(read_register(directory, "changes")) == 2


def test_a_review_is_dated_and_says_when_the_next_is_due(
    register: Register, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("risks", "--decision", "to change", "--remark", "R-02 : second site à chiffrer")
    assert register("review", *words) == ExitCode.OK
    entry = read_register(directory, "register_reviews")[-1]
    assert entry == {
        "date": date.today().isoformat(), "by": current_operator(), "register": "risks",
        "decision": "to change", "remark": "R-02 : second site à chiffrer",
    }  # fmt: skip
    assert f"due on {date.today().year + 1}" in capsys.readouterr().out
    assert register("review", "rsks", "--decision", "kept", "--remark", "x") == ExitCode.ERROR


def test_findings_name_file_entry_measure_and_remedy(
    register: Register, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = directory / "registers/changes.yml"
    file.write_text(file.read_text().replace("  announced: 2026-10-20\n", ""))
    assert register("check", "changes") == ExitCode.FINDINGS
    said = capsys.readouterr().out
    assert f"✗ {file}:3 (entry 1): `announced` was due by 2026-10-27" in said
    assert "→ `pas-infra register add changes --env copy`  7.2.1" in said
    assert "1 findings on 7.2.1" in said
    assert register("check", "risks") == ExitCode.OK
    capsys.readouterr()
    register("check", "changes", "--json")
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["line"], finding["entry"], finding["measures"]) == (3, 1, ["7.2.1"])


def test_a_production_is_judged_today(
    directory: Path, register: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = directory / "environment.yml"
    declared.write_text(declared.read_text().replace("kind: lab", "kind: production"))
    (directory / "lab.yml").unlink()
    assert register("check") == ExitCode.CONFIGURATION
    assert "are judged as of today" in capsys.readouterr().err


def test_names_and_fields_are_completed() -> None:
    context = click.Context(click.Command("add"))
    parameter = click.Argument(["name"])
    names = [item.value for item in complete_register(context, parameter, "risk")]
    assert names == ["risk_acceptances", "risks"]
    context.params["name"] = "changes"
    fields = [item.value for item in complete_field(context, parameter, "")]
    assert fields == ["change=", "description=", "planned=", "loss_of_function=", "announced=",
                      "ended="]  # fmt: skip
    values = [item.value for item in complete_field(context, parameter, "loss_of_function=t")]
    assert values == ["loss_of_function=true"]


def test_what_is_written_is_plain_yaml(register: Register, directory: Path) -> None:
    register("add", "changes", "--yes", given=CHANGE)
    text = (directory / "registers/changes.yml").read_text()
    assert "planned: 2099-12-24\n" in text
    assert yaml.safe_load(text)[-1]["planned"] == date(2099, 12, 24)
