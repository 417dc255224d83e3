"""The watch for vulnerabilities, and its register: `pas-infra vulns` and `vulns decide`."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestrator.environment import load_environment
from orchestrator.records import RunStatus
from orchestrator.vulnerabilities.decisions import current_decisions, overdue
from orchestrator.vulnerabilities.watch import in_words, last_complete_watch

Says = Callable[[str, object], None]


@pytest.mark.pas("7.6.1")
def test_vulnerabilities_are_looked_for(directory: Path, record_property: Says) -> None:
    """Every host was compared with the known vulnerabilities within the declared time."""
    environment = load_environment(directory)
    last = last_complete_watch(environment)
    assert last is not None, "nobody has looked at every host yet: run `pas-infra vulns`"
    age = datetime.now(UTC) - datetime.fromisoformat(last.started)
    assert age <= environment.vulnerability_data.max_age, (
        f"the last look at every host is {in_words(age)} old: run `pas-infra vulns`"
    )
    record_property("says", f"{in_words(age)} ago: {last.message}")


@pytest.mark.pas("7.6.2")
def test_every_open_vulnerability_is_decided_on(directory: Path) -> None:
    """The last watch found nothing open that is not decided on."""
    last = last_complete_watch(load_environment(directory))
    if last is None:
        pytest.skip("nobody has looked at every host yet: run `pas-infra vulns`")
    assert last.status is RunStatus.OK, f"{last.message}: `pas-infra vulns` lists them"


@pytest.mark.pas("7.6.2")
def test_no_decision_is_overdue(directory: Path) -> None:
    """No decision on a vulnerability has passed its last day without being renewed or closed."""
    late = overdue(current_decisions(directory), date.today())
    named = [f"{one.cve} on {one.host} (until {one.until})" for one in late]
    assert not named, f"{', '.join(named)}: `pas-infra vulns decide`"
