"""`pas-infra drift` as it is typed, over a real store; what needs hosts is in tests/e2e."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from small_environment import write_small

from orchestrator.cli import run
from orchestrator.drift.finding import Eye, Finding, FindingKind, Severity
from orchestrator.environment import load_environment
from orchestrator.records import HostDrift, RunStatus, Sighting
from orchestrator.store import Store

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
FINDING = Finding(FindingKind.CHANGED, "web1", "file", "/etc/issue", Eye.ROLES, Severity.MEDIUM)
SEEN = Sighting(
    FINDING.identity, "web1", "changed", "file", "/etc/issue", "roles", 2, ("1.1.1",),
    "--- /etc/issue\n+++ /etc/issue\n@@ -1 +1 @@\n-\x1b[2Jhacked [bold]\n+ours\n", "ssh",
    ("test_x.py::test_y",), "corrective", "nothing was changed",
)  # fmt: skip
NOBODYS = Sighting(
    "0123456789ab", "web2", "unmanaged", "account", "eve", "roles", 3, (), "", "", (), "unknown",
    "no apply of this host is recorded",
)  # fmt: skip


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of an environment that was looked at twice."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("COLUMNS", raising=False)
    directory = write_small(tmp_path / "small")
    host = HostDrift(
        "web1", complete=True, findings=1, new=1, pending=0, accepted=0, blind=3, coverage=97.5,
        seconds=41.0,
    )  # fmt: skip
    with Store.open(load_environment(directory).store_directory, "small") as store:
        for night in range(2):
            now = NOW + night * timedelta(days=1)
            run_id = store.begin(
                "drift", who="a", control_node="c", pid=os.getpid(), commit="", options={}, now=now
            )  # fmt: skip
            looked_at = ["web1", "web2"]
            found = [SEEN] if night else [SEEN, NOBODYS]
            store.drift.keep_sightings(run_id, found, looked_at=looked_at, roles=(), now=now)
            why = ("ssh : Do it: failed: [bold]no\x1b[2J",) if night else ()
            store.drift.set_hosts(run_id, [replace(host, complete=not night, why=why)])
            store.finish(run_id, RunStatus.FINDINGS, "", now)
    return str(directory)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["drift", *arguments]) == code
    printed = capsys.readouterr()
    return printed.err if code else printed.out


def test_history_has_a_headline_a_host_and_the_trend(
    environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "history", "-e", environment)
    assert "web1: DRIFT 1 (1 new) · pending 0 · blind 3 · coverage 97 % · 41 s" in text
    assert "? ssh : Do it: failed: [bold]no�[2J" in text
    assert text.splitlines()[-1].strip() == "web1: 1 ?"
    data = json.loads(said(capsys, "history", "-e", environment, "--json"))
    assert data["trend"] == {"web1": ["1", "?"]}
    assert [one["id"] for one in data["runs"]] == [2, 1]


def test_show_lists_what_is_open(environment: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", "-e", environment)
    assert f"web1: changed file /etc/issue (1.1.1) medium {SEEN.identity}" in text
    assert "corrective: nothing was changed" in text
    assert "eve" not in text
    [one] = json.loads(said(capsys, "show", "-e", environment, "--json"))
    assert (one["identity"], one["new"]) == (SEEN.identity, False)


def test_show_tells_one_in_full_and_what_a_host_says_moves_no_terminal(
    environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "show", SEEN.identity[:5], "-e", environment)
    assert "-�[2Jhacked [bold]" in text
    assert "open; seen by the runs 1, 2" in text
    assert f"pas-infra drift fix {SEEN.identity}" in text
    gone = said(capsys, "show", NOBODYS.identity, "-e", environment)
    assert "gone; seen by the runs 1" in gone


def test_accept_writes_a_waiver_and_shows_it(
    environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ("--reason", "un essai", "--until", "2099-12-31", "--by", "anna")
    text = said(capsys, "accept", SEEN.identity, "-e", environment, *how)
    assert "+- rule: drift:changed file /etc/issue" in text
    waivers = load_environment(environment).waivers
    assert [(w.rule, w.approver, w.hosts) for w in waivers] == [
        ("drift:changed file /etc/issue", "anna", ("web1",)),
        ("test_x.py::test_y", "anna", ("web1",)),
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "ffff"), "no run of drift has found `ffff`"),
        (("fix", NOBODYS.identity), "is no finding any more"),
        (("fix", "nonsense"), "no run of drift has found"),
        (("accept", "0123", "--reason", "A", "--until", "2020-01-01"), "2020-01-01 has passed"),
        (("accept", "0123", "--reason", "A", "--until", "soon"), "does not match the format"),
        (("accept", "0123", "--until", "2099-12-31"), "Missing option '--reason'"),
    ],
)
def test_what_cannot_be_done_is_explained(
    environment: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert told in said(capsys, *arguments, "-e", environment, code=1)


def test_an_option_before_a_subcommand_is_refused(
    environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "stand behind it" in said(capsys, "-e", environment, "show", code=1)


def test_a_role_that_is_none_is_refused_before_anything_runs(
    environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no role `nope`" in said(capsys, "-e", environment, "-r", "nope", code=1)


@pytest.mark.parametrize(("listed", "code"), [("show", 4), ("history", 0)])
def test_where_nobody_has_looked_no_finding_says_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    listed: str,
    code: int,
) -> None:
    """A list of runs may be empty; that nothing is open nobody can say."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    small = str(write_small(tmp_path / "small"))
    assert run(["drift", listed, "-e", small]) == code
    said = capsys.readouterr()
    assert "small was not looked at yet" in said.err
    assert f"pas-infra drift --env {small}" in " ".join(said.err.split())
    assert said.out == ""
