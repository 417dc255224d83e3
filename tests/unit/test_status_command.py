"""The morning as it is typed: the screen, the colours, the data, the metrics, and Ctrl-C."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click
import pytest
from morning import Morning, morning_of
from report_store import NOW
from small_environment import write_small

from orchestrator.cli import run
from orchestrator.cli.status_view import Page, as_data, screen
from orchestrator.environment import Environment, Waiver, load_environment
from orchestrator.exit_codes import ExitCode
from orchestrator.paths import project_root
from orchestrator.records import Verdict
from orchestrator.status import fresh
from orchestrator.status.metrics import metrics_of

NARROW, WIDE = Page(80, cut=True), Page(200, cut=True)
LINES = 23  # of 24: the prompt needs one


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small environment in which nothing was recorded."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("PAS_INFRA_ENV", raising=False)
    return write_small(tmp_path / "small")


def broken(morning: Morning) -> Morning:
    """Something of everything: the longest lines that there are."""
    morning.verify(sysfab=Verdict.FAILS)
    morning.drift(complete=False)
    morning.back_up(hours=99)
    morning.test_restores(days=99)
    ended = Waiver("rule\x1b[2J", "", "", "", NOW.date() - timedelta(days=1), None)
    morning.declare(waivers=(ended,))
    (morning.store / "certificates.json").unlink()
    return morning


@pytest.mark.parametrize("page", [NARROW, WIDE], ids=["80", "200"])
@pytest.mark.parametrize("state", ["well", "broken", "nothing"])
def test_three_hosts_fit_on_a_screen(
    state: str, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    morning = morning_of(tmp_path, monkeypatch, well=state != "nothing")
    # All chapters, as there are in the end.
    monkeypatch.undo()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    status = (broken(morning) if state == "broken" else morning).status()
    assert len(status.chapters) == 13
    lines = [click.unstyle(line) for line in screen(status, page)]
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= page.width
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith(status.level.upper())
    for subject, line in zip(status.subjects, lines[1:], strict=False):
        assert subject.name in line
        if page is WIDE:
            assert subject.next_step in line


def test_off_a_terminal_nothing_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = broken(morning_of(tmp_path, monkeypatch)).status()
    lines = [click.unstyle(line) for line in screen(status, Page(40, cut=False))]
    for subject in status.subjects:
        said = subject.headline.replace("\x1b", "�")
        assert any(said in line and subject.next_step in line for line in lines)


def test_commands_are_for_the_environment_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = broken(morning_of(tmp_path, monkeypatch)).status()
    data = as_data(status, " -e production")
    steps = {one["name"]: one["next"] for one in data["subjects"]}
    assert steps["backups"] == "pas-infra backup status -e production"
    assert steps["registers"] == ""
    assert steps["waivers"].startswith("$EDITOR /")
    assert not steps["waivers"].endswith("production")


def test_the_data_is_all_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.loads(json.dumps(as_data(broken(morning_of(tmp_path, monkeypatch)).status(), "")))
    assert (data["environment"], data["level"], data["exit_code"]) == ("lab", "alarm", 4)
    assert data["at"] == NOW.isoformat()
    backups = next(one for one in data["subjects"] if one["name"] == "backups")
    assert backups["known"] == (NOW - timedelta(hours=99)).isoformat()
    assert {point["about"] for point in backups["points"]} == {
        "rbx7/system", "rbx7/client-alpha", "rbx7/client-beta", "bastion/system",
    }  # fmt: skip
    (sysfab,) = [one for one in data["hosts"] if one["name"] == "sysfab"]
    assert sysfab["measures"] == {
        "kept": 1, "partly": 1, "not kept": 0, "unmeasured": 0, "waived": 0,
    }  # fmt: skip
    assert sysfab["drift"]["complete"] is False
    assert [one["number"] for one in data["chapters"]] == ["5", "6"]


def test_metrics_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = broken(morning_of(tmp_path, monkeypatch)).status()
    lines = metrics_of(replace(status, environment='a"b')).splitlines()
    here = r'environment="a\"b"'
    for line in (
        f"pas_infra_status_level{{{here}}} 3",
        f'pas_infra_status_subject_level{{{here},subject="certificates"}} 2',
        f'pas_infra_status_subject_level{{{here},subject="registers"}} 0',
        f'pas_infra_status_subject_points{{{here},subject="backups",level="alarm"}} 4',
        f'pas_infra_status_chapter_measures{{{here},chapter="6",state="partly"}} 1',
        f'pas_infra_status_host_measures{{{here},host="sysfab",state="partly"}} 1',
        f"pas_infra_status_timestamp_seconds{{{here}}} {NOW.timestamp():.15g}",
        f'pas_infra_status_host_verified_timestamp_seconds{{{here},host="rbx7"}} '
        f"{(NOW - timedelta(minutes=5)).timestamp():.15g}",
    ):
        assert line in lines
    assert not [line for line in lines if "known_timestamp" in line and '="certificates"' in line]
    sample = re.compile(r'[a-z_]+\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\} [0-9.e+]+')
    for line in lines:
        assert line.startswith("# ") or sample.fullmatch(line), line
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(named) == len(set(named))


def test_where_nothing_was_recorded(
    small: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "status.prom"
    assert run(["status", "--env", str(small), "--metrics", str(file)]) == ExitCode.INCOMPLETE
    said = capsys.readouterr()
    assert said.out.startswith("UNKNOWN  small, ")
    assert f"pas-infra verify -e {small}" in said.out
    assert said.err == ""
    assert "\x1b" not in said.out
    assert 'pas_infra_status_level{environment="small"} 2' in file.read_text()
    assert not load_environment(small).store_directory.exists()
    assert run(["status", "--env", str(small), "--json"]) == ExitCode.INCOMPLETE
    assert json.loads(capsys.readouterr().out)["level"] == "unknown"


WRONG = {
    "no such environment": (["--env", "no-such"], ExitCode.ERROR, "there is no environment"),
    "metrics nowhere": (["--metrics", "/no/such/file"], ExitCode.ERROR, "there is no directory"),
    "watched data": (["--watch", "--json"], ExitCode.ERROR, "give one"),
    "watched by nobody": (["--watch", "5"], ExitCode.ERROR, "this is none"),
    "no seconds": (["--watch", "0"], ExitCode.ERROR, "0 is not in the range"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_words_are_explained(
    name: str, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, code, said = WRONG[name]
    assert run(["status", "--env", str(small), *arguments]) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_an_environment_with_faults_is_none(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small / "waivers.yml").write_text("- rule: x\n")
    assert run(["status", "--env", str(small)]) == ExitCode.CONFIGURATION
    assert "waivers.yml:1" in capsys.readouterr().err


def watched(small: Path, *, during: str = "", **variables: str) -> tuple[str, int]:
    """What a terminal is sent until Ctrl-C, after two screens; `during` replaces waivers.yml."""
    primary, secondary = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "status", "--env", str(small), "--watch", "1"],
        stdin=secondary, stdout=secondary, stderr=secondary, cwd=project_root(),
        env={**environment, "TERM": "xterm-256color", **variables}, start_new_session=True,
        # A test that was begun in the background has it ignored, and so would what it begins.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    os.close(secondary)
    sent, deadline = b"", time.monotonic() + 180
    stopped = False
    while time.monotonic() < deadline:
        try:
            sent += os.read(primary, 65536)
        except OSError:  # Linux says so when the last process has closed its side
            break
        if during and sent.count(b"\x1b[H") == 1:
            (small / "waivers.yml").write_text(during)
        if sent.count(b"\x1b[H") >= 2 and sent.endswith(b"\x1b[J") and not stopped:
            process.send_signal(signal.SIGINT)
            stopped = True
    os.close(primary)
    return sent.decode(), process.wait(timeout=20)


def test_it_is_drawn_in_place_until_ctrl_c(small: Path) -> None:
    sent, code = watched(small)
    assert code == ExitCode.INCOMPLETE
    assert "Traceback" not in sent
    entered, left = sent.index("\x1b[?1049h\x1b[?25l"), sent.index("\x1b[?25h\x1b[?1049l")
    assert entered < sent.index("UNKNOWN") < left
    assert "UNKNOWN" in sent[left:]  # the last screen stays
    assert "\x1b[3" in sent


def test_it_is_drawn_without_colour_where_nobody_wants_it(small: Path) -> None:
    sent, _ = watched(small, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*m", sent)


def test_an_edit_that_is_not_done_is_told_and_does_not_end_it(small: Path) -> None:
    sent, code = watched(small, during="- rule: x\n")
    assert "the configuration has" in sent
    assert "Traceback" not in sent
    assert code == ExitCode.CONFIGURATION


def test_the_environment_is_read_anew_when_a_file_has_changed_only(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it may ask a password manager, which may ask for a touch."""
    read: list[str] = []

    def reading(name: str) -> Environment:
        read.append(name)
        return load_environment(name)

    monkeypatch.setattr(fresh, "load_environment", reading)
    environment = fresh.FreshEnvironment(str(small))
    assert len({id(environment.current()) for _ in range(3)}) == len(read) == 1
    (small / "waivers.yml").write_text("[]\n")
    environment.current()
    assert len(read) == 2
