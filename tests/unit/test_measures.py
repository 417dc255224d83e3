"""The measures service and its command, over the catalogue and small projects."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from orchestrator.catalogue import Kind, load_catalogue
from orchestrator.cli import run
from orchestrator.errors import ConfigurationInvalid, PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.measures import MeasureView, count, select, view_measures

CATALOGUE = load_catalogue()
TASKS = "- name: Harden sshd\n  tags: [pas_6_2_1, pas_5_5_2]\n"
CHECKS = '@pytest.mark.pas("6.2.1")\ndef test_ciphers(host):\n    """Only strong ciphers."""\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "roles/ssh/tasks/main.yml": TASKS,
        "tests/hosts/test_ssh.py": CHECKS,
        "pas.md": "".join(f"- **{m.number}** Promesse {m.number}.\n" for m in CATALOGUE),
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return tmp_path


@pytest.fixture
def views(project: Path) -> tuple[MeasureView, ...]:
    return view_measures(CATALOGUE, project, project / "pas.md")


def test_a_view_joins_wording_tasks_and_checks(views: tuple[MeasureView, ...]) -> None:
    [view] = [view for view in views if view.measure.number == "6.2.1"]
    assert [clause.text for clause in view.clauses] == ["Promesse 6.2.1."]
    assert [(task.role, task.task, task.line) for task in view.tasks] == [("ssh", "Harden sshd", 1)]
    assert [(check.check, check.title) for check in view.checks] == [
        ("test_ssh.py::test_ciphers", "Only strong ciphers.")
    ]


def test_the_bare_catalogue_needs_neither_document_nor_role(tmp_path: Path) -> None:
    views = view_measures(CATALOGUE, tmp_path)
    assert [view.measure for view in views] == list(CATALOGUE)
    assert not any(view.clauses or view.tasks or view.checks for view in views)


def test_only_a_check_covers(views: tuple[MeasureView, ...]) -> None:
    assert {view.measure.number for view in views if view.covered} == {"6.2.1"}
    assert asdict(count(views)) == {"measures": 73, "covered": 1, "unproven": 1, "bare": 71}


def test_every_problem_of_document_tags_and_marks_at_once(project: Path) -> None:
    (project / "pas.md").write_text("- **99.1.1** Rien.\n", "utf-8")
    (project / "roles/ssh/tasks/main.yml").write_text("- name: A\n  tags: pas_9_9_9\n", "utf-8")
    (project / "tests/hosts/test_ssh.py").write_text(CHECKS.replace("6.2.1", "7.7.7"), "utf-8")
    with pytest.raises(ConfigurationInvalid) as error:
        view_measures(CATALOGUE, project, project / "pas.md")
    problems = error.value.problems
    assert error.value.exit_code == ExitCode.CONFIGURATION
    assert {problem.file.name for problem in problems} == {"pas.md", "main.yml", "test_ssh.py"}
    assert len(problems) == 73 + 1 + 1 + 1


def test_a_measure_that_is_not_promised_says_why(project: Path) -> None:
    document = project / "pas.md"
    text = document.read_text("utf-8").replace("- **8.1.1** Promesse 8.1.1.\n", "")
    document.write_text(text, "utf-8")
    (project / "pas.map.yml").write_text("not_promised:\n  8.1.1: hors du contrat\n", "utf-8")
    reasons = {
        view.measure.number: view.not_promised
        for view in view_measures(CATALOGUE, project, document)
        if view.not_promised
    }
    assert reasons == {"8.1.1": "hors du contrat"}


@pytest.mark.parametrize(
    ("prefix", "kind", "uncovered", "numbers"),
    [
        ("6.2", None, False, ["6.2.1"]),
        ("6.2", None, True, []),
        ("5.5", Kind.TECHNICAL, False, ["5.5.2", "5.5.3"]),
        ("5.5", Kind.ORGANISATIONAL, True, ["5.5.1"]),
        (None, Kind.EVIDENCE, False, ["4.1.1", "4.1.2", "5.4.1", "9.1.1", "13.1.1"]),
    ],
)
def test_select(
    views: tuple[MeasureView, ...],
    prefix: str | None,
    kind: Kind | None,
    uncovered: bool,  # noqa: FBT001
    numbers: list[str],
) -> None:
    chosen = select(views, CATALOGUE, prefix=prefix, kind=kind, uncovered=uncovered)
    assert [view.measure.number for view in chosen] == numbers


def test_select_refuses_an_unknown_prefix(views: tuple[MeasureView, ...]) -> None:
    with pytest.raises(PasInfraError, match=r"no measure 6\.9"):
        select(views, CATALOGUE, prefix="6.9")


def test_the_table_lists_every_measure_and_counts_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["measures"]) == ExitCode.OK
    out, err = capsys.readouterr()
    listed = [line.split()[0] for line in out.splitlines()]
    assert [number for number in listed if number.count(".") == 2] == [m.number for m in CATALOGUE]
    assert "Cryptographie" in out
    assert err.startswith("73 measures: ")


def test_the_detail_quotes_the_environments_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measures", "6.2.1", "--env", "lab"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "6.2.1  Chiffrement des flux réseau"
    assert "clause 6.2.1" in out
    assert "Les échanges sur le réseau sont chiffrés" in out


def test_json_is_one_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measures", "6", "--kind", "technical", "--env", "lab", "--json"]) == ExitCode.OK
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert err == ""
    assert data["coverage"]["measures"] == len(data["measures"]) == 8
    assert data["measures"][0]["clauses"][0]["number"] == "6.1.1"


def test_an_unknown_number_is_an_error_that_names_near_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["measures", "6.3.7"]) == ExitCode.ERROR
    out, err = capsys.readouterr()
    assert out == ""
    assert "6.3.1, 6.3.2" in err
