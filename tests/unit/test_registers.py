"""Registers are valid and only added to; their checks say what they must, without a host."""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.access.review import Decision, next_due, record_review, still_declared
from orchestrator.environment.registers import (
    append,
    read_register,
    register_file,
    register_problems,
)
from orchestrator.errors import ConfigurationInvalid, PasInfraError
from orchestrator.paths import project_root

TODAY = date(2026, 11, 24)
HASH = "ab" * 32
ENTRY = f"""\
- date: 2026-01-15
  by: anna
  live_list: sha256:{HASH}
  hosts: [web1]
  decisions:
    - {{account: anna, decision: keep, remark: still here}}
"""
AGAIN = ENTRY.replace("still here", "still here in the evening")
REVIEW = "access_reviews.yml"


def written(directory: Path, text: str, name: str = REVIEW) -> Path:
    file = directory / "registers" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def review(directory: Path, today: date = TODAY, decision: Any = "keep", **more: Any) -> Path:
    decisions = [Decision("anna", decision, "Référente: elle part"), Decision("ben", "keep", "x")]
    given = {"accounts": {"anna", "ben"}, "live_list": HASH, "hosts": ["web1"], "by": "anna"} | more
    return record_review(directory, decisions, today=today, **given)


CHANGE = """\
- date: 2026-01-15
  by: anna
  change: 2026-01
  description: A stop of ten minutes
  planned: 2026-03-24
  loss_of_function: true
"""
FAULTS: Mapping[str, tuple[str, str, str, int | None, str]] = {
    "unknown register": (ENTRY, "access_review.yml", "no register of this name", None, "did you"),
    "no date": (ENTRY.replace("-01-15", "-02-30"), REVIEW, "must be a date", 1, "day"),
    "a day to come": (ENTRY.replace("2026-01-15", "2026-11-25"), REVIEW, "to come", 1, "correct"),
    "out of order": (ENTRY + ENTRY.replace("-01-", "-02-").replace("2026", "2025"), REVIEW,
                     "the one before it of 2026-01-15", 7, "order"),
    "no remark": (ENTRY.replace(", remark: still here", ""), REVIEW, "`remark` is missing", 6,
                  "Why"),
    "unknown decision": (ENTRY.replace("keep", "kep"), REVIEW,
                         "one of keep, change, revoke", 6, "`keep`"),
    "no hash": (ENTRY.replace("sha256:ab", "sha256:xy"), REVIEW, "must be sha256:", 3, "SHA-256"),
    "no decision": (ENTRY.partition("  decisions")[0] + "  decisions: []\n", REVIEW, "is empty", 5,
                    "One decision"),
    "repeated": (ENTRY + ENTRY, REVIEW, "repeats entry 1 (line 1)", 7, "remove one"),
    "corrects itself": (ENTRY + "  corrects: 1\n", REVIEW, "which is no earlier one", 7, "show"),
    "corrects another key": (CHANGE + CHANGE.replace("-01", "-02") + "  corrects: 1\n",
                             "changes.yml", "(2026-02) corrects entry 1 (2026-01, line 1)", 13,
                             "same change"),
    "no list": ("date: 2026-01-15\n", REVIEW, "must be a list", 1, "oldest first"),
    "no YAML": ("- [\n", REVIEW, "not valid YAML", 2, "indentation"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_where_it_stands(tmp_path: Path, fault: str) -> None:
    text, name, what, line, next_step = FAULTS[fault]
    file = written(tmp_path, text, name)
    (problem,) = register_problems(tmp_path, TODAY)
    assert (problem.file, problem.line) == (file, line)
    assert what in problem.what
    assert next_step in problem.next_step


@pytest.mark.parametrize(
    "text",
    ["", "---\n# nothing yet\n", "[]\n", ENTRY, ENTRY + AGAIN, ENTRY + AGAIN + "  corrects: 1\n"],
)
def test_what_is_right_is_no_problem(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    assert list(register_problems(tmp_path, TODAY)) == []


def test_an_environment_needs_no_register(tmp_path: Path) -> None:
    assert list(register_problems(tmp_path, TODAY)) == []
    assert read_register(tmp_path, "access_reviews") == ()


def test_a_broken_register_is_not_read_as_an_empty_one(tmp_path: Path) -> None:
    written(tmp_path, ENTRY.replace("keep", "kep"))
    with pytest.raises(ConfigurationInvalid):
        read_register(tmp_path, "access_reviews")


def test_what_stands_there_is_kept_to_the_letter(tmp_path: Path) -> None:
    before = "---\n# A comment.\n" + ENTRY
    written(tmp_path, before)
    file = review(tmp_path)
    assert file.read_text().startswith(before)
    first, second = read_register(tmp_path, "access_reviews")
    assert (first["date"], second["date"]) == ("2026-01-15", "2026-11-24")
    assert second["live_list"] == f"sha256:{HASH}"
    assert second["decisions"][0] == {
        "account": "anna", "decision": "keep", "remark": "Référente: elle part"
    }  # fmt: skip
    assert list(file.parent.iterdir()) == [file]


def test_the_first_entry_makes_the_register(tmp_path: Path) -> None:
    assert review(tmp_path).read_text().startswith("---\n- date: 2026-11-24\n")


@pytest.mark.parametrize(
    ("entry", "what"),
    [({"date": TODAY + timedelta(1)}, "to come"), ({"date": date(2026, 1, 14)}, "before it"),
     ({"live_list": "x"}, "sha256"), ({"by": ""}, "empty")],
)  # fmt: skip
def test_an_entry_that_is_not_valid_is_not_written(
    tmp_path: Path, entry: dict[str, Any], what: str
) -> None:
    file = written(tmp_path, ENTRY)
    valid = {"date": TODAY, "by": "anna", "live_list": f"sha256:{HASH}", "hosts": ["web1"],
             "decisions": [{"account": "anna", "decision": "keep", "remark": "x"}]}  # fmt: skip
    with pytest.raises(ConfigurationInvalid) as caught:
        append(tmp_path, "access_reviews", valid | entry, today=TODAY)
    assert what in caught.value.problems[0].what
    assert file.read_text() == ENTRY


@pytest.mark.parametrize(
    ("accounts", "what"),
    [({"anna", "ben", "eve"}, "`eve` is not decided on"), ({"anna"}, "`ben` is no live account")],
)
def test_a_review_decides_on_every_live_account(
    tmp_path: Path, accounts: set[str], what: str
) -> None:
    with pytest.raises(PasInfraError, match=what):
        review(tmp_path, accounts=accounts)
    assert not register_file(tmp_path, "access_reviews").exists()


def test_an_account_is_decided_on_once(tmp_path: Path) -> None:
    twice = [Decision("anna", "keep", "x"), Decision("anna", "revoke", "y")]
    with pytest.raises(PasInfraError, match="`anna` is decided on twice"):
        record_review(tmp_path, twice, accounts={"anna"}, live_list=HASH, hosts=["web1"],
                      by="anna", today=TODAY)  # fmt: skip


@pytest.mark.parametrize(
    ("last", "due"),
    [("2025-11-24", date(2026, 11, 24)), ("2024-02-29", date(2025, 2, 28))],
)
def test_the_next_review_is_due_after_twelve_months(last: str, due: date) -> None:
    assert next_due([{"date": "2001-01-01"}, {"date": last}]) == due


def test_what_the_last_review_revoked_counts_and_no_earlier_one() -> None:
    def decided(**decisions: str) -> Mapping[str, Any]:
        return {"decisions": [{"account": a, "decision": d} for a, d in decisions.items()]}

    people = {"persons": [{"account": "anna"}, {"account": "ben"}], "machines": [{"account": "m"}]}
    last = decided(anna="revoke", ben="keep", m="revoke", gone="revoke")
    assert still_declared([last], people) == ["anna", "m"]
    assert still_declared([decided(ben="revoke"), decided(ben="keep")], people) == []
    assert still_declared([], people) == []


def checked(directory: Path) -> dict[str, tuple[str, str]]:
    """What the checks of registers say, run as `verify` runs them: with no host at all."""
    results = directory / "results"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "orchestrator.check_plugin",
         "-p", "no:cacheprovider", "--pas-host=small", f"--pas-results={results}",
         f"--pas-environment={directory}", "tests/registers/test_access_review.py"],
        cwd=project_root(), capture_output=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert {(each["host"], *each["measures"]) for each in lines} == {("small", "5.4.1")}
    return {each["check"].partition("::")[2]: (each["verdict"], each["message"]) for each in lines}


REVOKED = "test_what_the_last_review_revoked_is_no_longer_declared"


@pytest.mark.parametrize(("account", "verdict"), [("anna", "fails"), ("carl", "holds")])
def test_what_was_revoked_and_stays_fails(tmp_path: Path, account: str, verdict: str) -> None:
    review(tmp_path, today=date.today(), decision="revoke")
    (tmp_path / "people.yml").write_text(f"persons:\n  - account: {account}\nmachines: []\n")
    found, message = checked(tmp_path)[REVOKED]
    assert found == verdict
    assert ("anna" in message) == (verdict == "fails")


def test_a_broken_register_is_no_pass(tmp_path: Path) -> None:
    written(tmp_path, ENTRY.replace("keep", "kep"))
    assert {verdict for verdict, _ in checked(tmp_path).values()} == {"unmeasured"}
