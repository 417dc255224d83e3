"""Checks of role hardening: whether what is declared for the host is what was applied."""

import json
from datetime import UTC, datetime

import pytest
from conftest import Answers
from declared import (
    Declared,
    ended_waivers,
    idle_waivers,
    recommendations_that_nothing_keeps,
)


@pytest.mark.pas("1.1.1")
def test_declared_level_was_applied(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """The declared level of ANSSI-BP-028 was applied; what is not kept is waived, until a day."""
    today = datetime.now(UTC).date()
    faults = [
        *ended_waivers(declared, today),
        *idle_waivers(declared),
        *recommendations_that_nothing_keeps(declared, today),
    ]
    assert not faults, "; ".join(faults)
    applied = json.loads(answers("cat /etc/pas-infra/hardening.json"))
    assert applied["level"] == declared["hardening_level"], f"{applied['level']} was applied"
    differing = sorted(active ^ set(applied["recommendations"]))
    assert not differing, f"applied otherwise than declared: {', '.join(differing)}"
