"""The checks of registers as pytest runs them: hold, fail with what to do, or stay unmeasured."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from orchestrator.environment import load_environment
from orchestrator.records import Verdict
from orchestrator.registers.facts import Facts, facts_of
from orchestrator.registers.judge import Finding, judge, next_due

Says = Callable[[str, object], None]


def register_holds(directory: Path, register: str, check: str, says: Says) -> None:
    """Let a check of an environment's register hold, fail (AssertionError) or be skipped.

    What holds because the environment declares another day than today says so.
    """
    facts = _facts(directory)
    found = facts.registers[register]
    (wanted,) = (each for each in found.definition.checks if each.name == check)
    judgement = judge(facts, found, wanted)
    if judgement.verdict is Verdict.UNMEASURED:
        pytest.skip(judgement.reason)
    as_of = facts.environment.registers_as_of
    note = f", as of {as_of} (registers_as_of)" if as_of else ""
    if judgement.findings:
        said = (_in_words(finding, directory) for finding in judgement.findings)
        raise AssertionError("; ".join(said))
    due = next_due(facts, found, wanted)
    again = f", the next is due by {due}" if due else ""
    says("says", f"entries that stand: {len(found.standing(facts.today))}{again}{note}")


@cache
def _facts(directory: Path) -> Facts:
    return facts_of(load_environment(directory), datetime.now(UTC))


def _in_words(finding: Finding, directory: Path) -> str:
    place = str(finding.file.relative_to(directory.resolve()))
    if finding.line:
        place += f":{finding.line} (entry {finding.entry})"
    return f"{place}: {finding.what}; {finding.next_step}"
