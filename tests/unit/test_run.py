"""What `make test` says at its end about a part that failed."""

import pytest
from run import reason

MOLECULE = """\
\x1b[36mINFO    \x1b[0m updates ➜ converge: Executing
  \x1b[2m│\x1b[0m TASK [updates : Install what upgrades the host]
  \x1b[2m\x1b[31m│\x1b[0m \x1b[31mfatal: [sysfab]: FAILED! => {"msg":\x1b[0m
  \x1b[2m\x1b[31m│\x1b[0m \x1b[31m  "no lock"}\x1b[0m
"""
PYTEST = """\
.....F
E   AssertionError: one of two
tests/e2e/test_apply.py:1: AssertionError
= short test summary info =
FAILED tests/e2e/test_apply.py::test_plan - AssertionError: one of two
1 failed, 5 passed
"""


@pytest.mark.parametrize(
    ("output", "begins", "named"),
    [
        (MOLECULE, 'fatal: [sysfab]: FAILED! => {"msg":', '"no lock"}'),
        (PYTEST, "E   AssertionError: one of two", "FAILED tests/e2e/test_apply.py::test_plan"),
        ("a\nKilled\n", "a", "Killed"),
    ],
)
def test_what_failed_is_said_at_the_end(output: str, begins: str, named: str) -> None:
    said = reason(output)
    assert said.startswith(begins)
    assert named in said
