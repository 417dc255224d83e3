"""The watch, its register and its command: what is said, how it is recorded, how it ends."""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from register_checks import called

from orchestrator.cli.vulns import command
from orchestrator.environment import VulnerabilityData, load_environment
from orchestrator.environment.registers import register_problems
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.paths import project_root
from orchestrator.selection import select
from orchestrator.vulnerabilities import watch as watch_module
from orchestrator.vulnerabilities.decisions import (
    current_decisions,
    latest,
    overdue,
    record_decision,
)
from orchestrator.vulnerabilities.installed import Source
from orchestrator.vulnerabilities.watch import Watch, last_complete_watch, watch_and_record

TODAY = date.today()
CVE = "CVE-2026-1000"
ENTRY = f"""\
- date: 2026-01-15
  by: anna
  cves: [{CVE}]
  hosts: [rbx7]
  decision: accept
  reason: not reachable
  until: 2026-06-30
"""


def decide(directory: Path, cve: str = CVE, **more: Any) -> Path:
    given: dict[str, Any] = {
        "hosts": ["rbx7", "sysfab", "bastion"], "decision": "accept", "reason": "not reachable",
        "until": TODAY, "by": "anna", "today": TODAY,
    }  # fmt: skip
    return record_decision(directory, [cve], **(given | more))


def test_the_last_decision_counts(tmp_path: Path) -> None:
    decide(tmp_path)
    decide(tmp_path, hosts=["rbx7"], decision="patch", until=TODAY + timedelta(9))
    decide(tmp_path, hosts=["sysfab"], decision="close", until=None)
    found = current_decisions(tmp_path)
    assert {host: one.decision for (_, host), one in found.items()} == {
        "rbx7": "patch", "sysfab": "close", "bastion": "accept"
    }  # fmt: skip
    assert [one.host for one in overdue(found, TODAY + timedelta(1))] == ["bastion"]
    assert {one.host for one in overdue(found, TODAY + timedelta(10))} == {"rbx7", "bastion"}


@pytest.mark.parametrize(
    ("more", "what"),
    [({"until": TODAY - timedelta(1)}, "ended on"), ({"until": None}, "no last day"),
     ({"decision": "close"}, "no last day"), ({"cve": "2026-1000"}, "CVE-2026-12345"),
     ({"reason": ""}, "empty"), ({"hosts": []}, "empty")],
)  # fmt: skip
def test_a_decision_that_says_too_little_is_not_written(
    tmp_path: Path, more: dict[str, Any], what: str
) -> None:
    with pytest.raises(PasInfraError) as caught:
        decide(tmp_path, **more)
    problems = [problem.what for problem in getattr(caught.value, "problems", ())]
    assert what in " ".join([caught.value.what, *problems])
    assert not (tmp_path / "registers").exists()


FAULTS = {
    "no last day": (ENTRY.replace("  until: 2026-06-30\n", ""), "`until` is missing"),
    "unknown decision": (ENTRY.replace("accept", "acept"), "one of accept, mitigate"),
    "no reason": (ENTRY.replace("  reason: not reachable\n", ""), "`reason` is missing"),
    "no number": (ENTRY.replace(CVE, "heartbleed"), "must be a number such as"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_register_is_named(tmp_path: Path, fault: str) -> None:
    text, what = FAULTS[fault]
    (tmp_path / "registers").mkdir()
    (tmp_path / "registers" / "vulnerabilities.yml").write_text(text)
    assert what in " ".join(p.what for p in register_problems(tmp_path, date(2026, 11, 24)))
    assert not latest([])


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's environment, with a store of its own and hosts that have said what they run."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    directory = tmp_path / "lab"
    shutil.copytree(project_root() / "inventories/lab", directory)
    answers(monkeypatch)
    return directory


def answers(monkeypatch: pytest.MonkeyPatch, missing: Mapping[str, str] | None = None) -> None:
    """Hosts are asked in the end-to-end test; here they have answered."""
    hosts = {"rbx7": frozenset({Source("p", "1.0-1")}), "sysfab": frozenset({Source("q", "2")})}
    kept = {host: found for host, found in hosts.items() if host not in (missing or {})}
    monkeypatch.setattr(watch_module, "connections", lambda _, names: names)
    monkeypatch.setattr(watch_module, "installed_on", lambda _: (kept, missing or {}))


def data(tmp_path: Path, status: str = "open", urgency: str = "high") -> Path:
    file = tmp_path / "tracker.json"
    release = {"status": status, "urgency": urgency, "fixed_version": "0"}
    file.write_text(json.dumps({"p": {CVE: {"releases": {"trixie": release}}}}))
    return file


def looked(lab: Path, file: Path, **more: Any) -> Watch:
    environment = load_environment(lab)
    given: dict[str, Any] = {"least": "low", "now": datetime.now(UTC)} | more
    return watch_and_record(environment, select(environment), data=file, **given)


@pytest.mark.parametrize(
    ("status", "urgency", "decided", "code"),
    [
        ("resolved", "high", False, ExitCode.OK),
        ("open", "high", False, ExitCode.FINDINGS),
        ("undetermined", "not yet assigned", False, ExitCode.FINDINGS),
        ("open", "unimportant", False, ExitCode.OK),
        ("open", "high", True, ExitCode.OK),
    ],
)
def test_how_a_watch_ends(
    lab: Path, tmp_path: Path, status: str, urgency: str, code: ExitCode, *, decided: bool
) -> None:
    if decided:
        decide(lab)
    watch = looked(lab, data(tmp_path, status, urgency))
    assert watch.exit_code is code
    assert watch.hidden == (urgency == "unimportant")
    run = last_complete_watch(load_environment(lab))
    assert run is not None
    assert (run.status, run.message) == (watch.status, watch.summary)


def test_data_that_is_too_old_is_never_fine(lab: Path, tmp_path: Path) -> None:
    file = data(tmp_path, "resolved")
    watch = looked(lab, file, now=datetime.now(UTC) + timedelta(hours=49))
    assert (watch.too_old, watch.exit_code) == (True, ExitCode.INCOMPLETE)
    assert "the data is 49 hours old" in watch.summary
    assert last_complete_watch(load_environment(lab)) is None
    declared = lab / "environment.yml"
    declared.write_text(declared.read_text() + "vulnerability_data: {max_age_hours: 60}\n")
    watch = looked(lab, file, now=datetime.now(UTC) + timedelta(hours=49))
    assert watch.exit_code is ExitCode.OK


def test_a_missing_host_is_never_fine(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, {"rbx7": "no answer over SSH"})
    watch = looked(lab, data(tmp_path, "resolved"))
    assert watch.exit_code is ExitCode.INCOMPLETE
    assert "rbx7: no answer over SSH" in watch.summary


def test_what_was_seen_once_is_known_since_then(lab: Path, tmp_path: Path) -> None:
    file = data(tmp_path)
    assert [one.first_seen for one in looked(lab, file).exposures] == [TODAY]
    later = datetime.now(UTC) + timedelta(days=1)
    assert [one.first_seen for one in looked(lab, file, now=later).exposures] == [TODAY]
    looked(lab, data(tmp_path, "resolved"), now=later)
    tomorrow = later.astimezone().date()
    assert [one.first_seen for one in looked(lab, data(tmp_path), now=later).exposures] == [
        tomorrow
    ]


def test_an_overdue_decision_is_a_finding(lab: Path, tmp_path: Path) -> None:
    decide(lab)
    later = datetime.now(UTC) + timedelta(days=1)
    watch = looked(lab, data(tmp_path, "resolved"), now=later)
    assert (len(watch.overdue), watch.exit_code) == (3, ExitCode.FINDINGS)


def test_where_the_data_comes_from_is_declared(lab: Path) -> None:
    assert load_environment(lab).vulnerability_data == VulnerabilityData()
    declared = lab / "environment.yml"
    declared.write_text(declared.read_text() + "vulnerability_data: {url: 'http://x.example/'}\n")
    with pytest.raises(PasInfraError) as caught:
        load_environment(lab)
    assert "must be an address that begins with https://" in caught.value.problems[0].what  # type: ignore[attr-defined]


def run(lab: Path, *arguments: str) -> tuple[int | None, str]:
    result = CliRunner().invoke(
        command, [*arguments, "--env", str(lab)], standalone_mode=False, catch_exceptions=False
    )
    return result.return_value, result.output


def test_the_command_shows_what_is_open_and_of_when_the_data_is(lab: Path, tmp_path: Path) -> None:
    code, text = run(lab, "--data", str(data(tmp_path)))
    assert code == ExitCode.FINDINGS
    assert CVE in text
    assert "high" in text
    assert f"{tmp_path / 'tracker.json'}, of " in text
    assert "0 hours old" in text
    code, text = run(lab, "--data", str(data(tmp_path)), "--json")
    found = json.loads(text)
    assert (code, found["open"][0]["cve"], found["open"][0]["age_days"]) == (2, CVE, 0)
    assert found["data"]["too_old"] is False


def test_the_command_decides(lab: Path, tmp_path: Path) -> None:
    until = str(TODAY + timedelta(30))
    result = CliRunner().invoke(
        command,
        ["decide", CVE, "--env", str(lab), "--host", "rbx7", "--decision", "accept",
         "--reason", "not reachable", "--until", until],
        standalone_mode=False, catch_exceptions=False,
    )  # fmt: skip
    assert "accept: CVE-2026-1000 on rbx7" in result.output
    code, text = run(lab, "--data", str(data(tmp_path)))
    assert code == ExitCode.OK
    assert f"accept until {until}" in text


def checked(lab: Path) -> dict[str, tuple[str, str]]:
    """What the register's checks say, by name: their verdict and why."""
    calls: dict[str, list[object]] = {
        LOOKED: [lab, lambda *_: None],
        DECIDED: [lab],
        OVERDUE: [lab],
    }
    return called("test_vulnerabilities.py", calls)


LOOKED = "test_vulnerabilities_are_looked_for"
DECIDED = "test_every_open_vulnerability_is_decided_on"
OVERDUE = "test_no_decision_is_overdue"


def test_the_register_is_checked(lab: Path, tmp_path: Path) -> None:
    found = checked(lab)
    assert found[LOOKED][0] == "fails"
    assert found[DECIDED][0] == "unmeasured"
    assert found[OVERDUE][0] == "holds"

    looked(lab, data(tmp_path))
    found = checked(lab)
    assert found[LOOKED][0] == "holds"
    assert found[DECIDED][0] == "fails"
    assert "1 open on 2 hosts" in found[DECIDED][1]

    decide(lab, until=TODAY + timedelta(1))
    looked(lab, data(tmp_path))
    assert checked(lab)[DECIDED][0] == "holds"

    register = lab / "registers" / "vulnerabilities.yml"
    register.write_text(ENTRY)
    found = checked(lab)
    assert found[OVERDUE][0] == "fails"
    assert f"{CVE} on rbx7 (until 2026-06-30)" in found[OVERDUE][1]


def test_a_watch_of_some_hosts_or_of_long_ago_is_not_enough(lab: Path, tmp_path: Path) -> None:
    environment = load_environment(lab)
    file = data(tmp_path, "resolved")
    watch_and_record(environment, select(environment, limit=["rbx7"]), data=file, least="low",
                     now=datetime.now(UTC))  # fmt: skip
    assert checked(lab)[LOOKED][0] == "fails"


def test_a_watch_that_left_something_out_is_no_look_at_everything(
    lab: Path, tmp_path: Path
) -> None:
    """What an emergency makes people type: it shows less, and so is never the good news."""
    file = data(tmp_path, urgency="medium")
    assert looked(lab, file, least="high").exit_code is ExitCode.OK
    assert (checked(lab)[LOOKED][0], checked(lab)[DECIDED][0]) == ("fails", "unmeasured")
    assert looked(lab, file).exit_code is ExitCode.FINDINGS
    looked(lab, file, least="high")
    assert checked(lab)[DECIDED][0] == "fails"
