"""`pas-infra report` as it is typed."""

import json
import re
from pathlib import Path

import pytest
from report_store import Desk, desk_of, everywhere

from orchestrator.cli import run
from orchestrator.cli.report import command
from orchestrator.exit_codes import ExitCode
from orchestrator.records import RunStatus, Verdict
from orchestrator.report import LANGUAGES
from orchestrator.store import Store


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    found = desk_of(tmp_path, monkeypatch)
    monkeypatch.setattr("orchestrator.environment.load_environment", lambda _: found.environment)
    return found


@pytest.fixture
def looked(desk: Desk) -> Desk:
    desk.run(everywhere(), days=-1 / 24)
    return desk


Captured = pytest.CaptureFixture[str]


def test_the_files_paths_are_all_that_stdout_says(
    looked: Desk, tmp_path: Path, capsys: Captured
) -> None:
    assert run(["report", "--measure", "6.2", "--output", str(tmp_path / "new/place")]) == 0
    out, err = capsys.readouterr()
    page, printed = map(Path, out.splitlines())
    assert page.parent == tmp_path / "new/place"
    assert re.fullmatch(r"pas-lab-\d{4}-\d\d-\d\d-client-fr\.html", page.name)
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert printed.read_bytes().startswith(b"%PDF-")
    assert {file.name for file in page.parent.iterdir()} == {page.name, printed.name}
    assert page.stat().st_mode & 0o777 == 0o600
    assert err.startswith("report …")


def test_json_is_the_content_and_the_next_report_compares(
    looked: Desk, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.report.page.pdf", lambda _: b"%PDF-")
    assert run(["report", "--json", "--edition", "internal", "--lang", "en"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert Path(first["files"]["html"]).parent == looked.environment.store_directory / "reports"
    assert first["summary"]["counts"]["kept"] == 3
    assert first["changes"]["since"] is None
    looked.run(everywhere(sysfab=Verdict.FAILS), days=-2 / 24)
    assert run(["report", "--json", "--edition", "internal", "--lang", "en"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["changes"]["run"] == first["run"]
    assert [one["number"] for one in second["changes"]["measures"]] == ["6.2.1"]
    with Store.open(looked.environment.store_directory, "lab") as store:
        recorded = store.run(second["run"])
    assert (recorded.command, recorded.status) == ("report", RunStatus.OK)
    assert recorded.options["states"]["partly"] == ["6.2.1"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--measure", "6.9"], ExitCode.ERROR, ["there is no measure 6.9", "6.1.1, 6.1.2"]),
        (["--output", "{file}/x"], ExitCode.ERROR, ["no report can be written", "--output DIR"]),
        (["--output", "/proc"], ExitCode.ERROR, ["no report can be written", "where: /proc"]),
        (["--lang", "de"], ExitCode.ERROR, ["'de' is not one of 'fr', 'en'"]),
        (["--edition", "x"], ExitCode.ERROR, ["'x' is not one of 'client', 'internal'"]),
        (["--max-age", "0"], ExitCode.ERROR, ["0 is not in the range x>=1"]),
    ],
)
def test_bad_input_is_refused_and_nothing_recorded(
    looked: Desk,
    tmp_path: Path,
    capsys: Captured,
    arguments: list[str],
    code: ExitCode,
    said: list[str],
) -> None:
    (tmp_path / "file").touch()
    assert run(["report", *(each.format(file=tmp_path / "file") for each in arguments)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    for words in said:
        assert words in err
    with Store.open(looked.environment.store_directory, "lab") as store:
        assert store.runs(9, "report") == []


def test_every_language_can_be_asked_for() -> None:
    [option] = [one for one in command.params if one.name == "language"]
    assert tuple(option.type.choices) == LANGUAGES  # type: ignore[attr-defined]


def test_without_a_run_it_says_what_to_do(desk: Desk, capsys: Captured) -> None:
    assert run(["report"]) == ExitCode.ERROR
    err = capsys.readouterr().err
    assert "no run of lab has looked at a check yet" in err
    assert "pas-infra verify --env lab" in err


def test_a_damaged_store_is_named_and_left_alone(looked: Desk, capsys: Captured) -> None:
    file = looked.environment.store_directory / "pas-infra.sqlite"
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    assert run(["report"]) == ExitCode.ERROR
    err = capsys.readouterr().err
    assert "the store cannot be used" in err
    assert str(file) in err
    assert "keep the damaged file, it is evidence" in err


def test_a_report_that_cannot_be_printed_is_a_failed_run(
    looked: Desk, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: str) -> bytes:
        raise OSError(28, "No space left on device", "/somewhere")

    monkeypatch.setattr("orchestrator.report.page.pdf", full)
    assert run(["report"]) == ExitCode.ERROR
    assert "No space left on device" in capsys.readouterr().err
    with Store.open(looked.environment.store_directory, "lab") as store:
        assert [one.status for one in store.runs(9, "report")] == [RunStatus.FAILED]
