"""What `make test` says at its end about a part that failed."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from run import ROOT, Part, reason, scenarios, stages

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


@pytest.mark.parametrize(
    ("scenario", "left_out"),
    [
        ("time", {"check", "idempotence", "verify"}),
        ("encryption", {"check", "idempotence", "verify"}),
        ("backup", set()),  # its verification is its own
        ("tang", set()),  # and what this one declares
    ],
)
def test_a_scenario_leaves_out_what_the_same_run_sees_elsewhere(
    scenario: str, left_out: set[str]
) -> None:
    everything = stages(ROOT / "molecule/confirmed_commit")
    assert {"check", "converge", "idempotence", "verify", "side_effect"} <= set(everything)
    left = [stage for stage in everything if stage not in left_out]
    assert stages(ROOT / "molecule" / scenario) == left


def test_a_scenario_by_itself_leaves_out_nothing() -> None:
    def shortened(parts: list[Part]) -> list[str]:
        return [part.name for part in parts if "SCENARIO_SEQUENCE" in " ".join(part.command)]

    assert shortened(scenarios("time")) == []
    assert shortened(scenarios(full=True)) == []
    assert len(shortened(scenarios())) > 10


def test_a_run_that_is_stopped_says_what_has_ended_and_what_has_not() -> None:
    script = (
        "import run, sys\n"
        "parts = [run.Part('quick', ('true',)), run.Part('long', ('sleep', '60'), True)]\n"
        "run.lint, run.unit = (lambda: parts), list\n"
        "sys.argv = ['run.py', '--check']\n"
        "run.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        while "long begins" not in said:
            said += process.stdout.readline()
        process.terminate()
        process.wait(10)
        with suppress(ProcessLookupError):  # the part goes on, if it had begun
            os.killpg(process.pid, signal.SIGKILL)
        said = process.stdout.read()
    assert process.returncode == 128 + signal.SIGTERM
    assert re.search(r"passed +\d+\.\d s  quick\nnot ended +long\n", said), said
    assert "parts: 1 passed, 0 failed" in said
