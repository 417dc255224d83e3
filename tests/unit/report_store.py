"""A small project, environment and store, for the tests of the report."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from orchestrator.environment import Environment, load_environment
from orchestrator.records import CheckResult, RunStatus, Verdict
from orchestrator.report import Edition
from orchestrator.report.material import Material
from orchestrator.report.write import gather
from orchestrator.store import Store

NOW = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
HOSTS = ("rbx7", "sysfab", "bastion")
# What a client must not see: the tests put it where runs and checks put such things.
SECRETS = ("198.18.0.11", "/etc/ssh/sshd_config", "mallory", "admin-node")
CHECKS = '''
import pytest

@pytest.mark.pas("6.2.1", "5.5.2")
def test_ciphers(host):
    """Only strong ciphers."""

@pytest.mark.pas("6.2.1")
def test_root(host):
    """Root cannot log in."""
'''
REGISTER = '''
import pytest

@pytest.mark.pas("5.4.1")
def test_review(directory):
    """Rights were reviewed."""
'''
Said = Verdict | tuple[Verdict, str]
Ran = Mapping[tuple[str, str], Said | list[Said]]


@dataclass
class Desk:
    """Where runs are recorded and reports made."""

    environment: Environment

    def run(
        self,
        said: Ran,
        *,
        days: float = 0,
        command: str = "verify",
        **narrowed: Sequence[str] | str,
    ) -> int:
        """Record a run, `days` before NOW; `said` is by host and check."""
        started = NOW - timedelta(days=days, minutes=5)
        options = {"hosts": list(HOSTS), "roles": [], "measures": [], **narrowed}
        with Store.open(self.environment.store_directory, self.environment.name) as store:
            run = store.begin(
                command, who="mallory", control_node="admin-node", pid=os.getpid(),
                commit="0" * 40, options=options, now=started,
            )  # fmt: skip
            store.add_checks(run, list(results(said)))
            store.finish(run, RunStatus.FINDINGS, f"by {SECRETS}", started + timedelta(minutes=4))
        return run

    def gather(
        self, edition: Edition = Edition.CLIENT, language: str = "fr", prefix: str | None = None
    ) -> Material:
        """What a report would be made of."""
        return gather(
            self.environment,
            edition=edition,
            language=language,
            prefix=prefix,
            max_age=timedelta(days=7),
            now=NOW,
        )


def results(said: Ran) -> list[CheckResult]:
    """The results, marked as the small project marks its checks."""
    marks = {"ciphers": ("6.2.1", "5.5.2"), "root": ("6.2.1",), "review": ("5.4.1",)}
    titles = {"ciphers": "Only strong ciphers.", "root": "Root cannot log in.",
              "review": "Rights were reviewed."}  # fmt: skip
    found = []
    for (host, name), given in said.items():
        for each in given if isinstance(given, list) else [given]:
            verdict, message = each if isinstance(each, tuple) else (each, "")
            file = "test_review.py" if name == "review" else "test_ssh.py"
            check = f"{file}::test_{name}"
            marked = marks.get(name, ("6.2.1",))
            title = titles.get(name, "Gone.")
            found.append(CheckResult(host, check, title, marked, verdict, message, 0.5))
    return found


def everywhere(
    verdict: Said = Verdict.HOLDS, **other: Said
) -> dict[tuple[str, str], Said | list[Said]]:
    """What a run says that looks at every check; `other` is by host, of the check of root."""
    said: dict[tuple[str, str], Said | list[Said]] = {("lab", "review"): verdict}
    for host in HOSTS:
        said[host, "ciphers"] = verdict
        said[host, "root"] = other.get(host, verdict)
    return said


def make_project(directory: Path) -> Path:
    """A project with one role, two checks of hosts and one of a register."""
    for name, text in {
        "roles/ssh/tasks/main.yml": "- name: Harden sshd\n  tags: [pas_6_2_1]\n",
        "roles/ssh/README.md": "# Role\n",
        "tests/hosts/test_ssh.py": CHECKS,
        "tests/registers/test_review.py": REGISTER,
    }.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return directory


@cache
def _lab() -> Environment:
    return load_environment("lab")


def desk_of(directory: Path, patch: pytest.MonkeyPatch) -> Desk:
    """The lab's environment with an empty store, and the small project in the place of ours."""
    project = make_project(directory / "project")
    for module in ("report.write", "report.standing", "oscal.write"):
        patch.setattr(f"orchestrator.{module}.project_root", lambda: project)
    return Desk(replace(_lab(), store_directory=directory / "store"))
