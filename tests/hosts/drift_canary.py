"""What drift runs beside the checks: one that fails while the canary is tampered with."""

from conftest import Answers

from orchestrator.drift.canary import DECLARED, PATH


def test_canary_is_as_declared(answers: Answers) -> None:
    """The canary of drift is as it was declared."""
    said = answers(f"cat {PATH}")
    assert said == DECLARED, f"it says: {said.strip()}"
