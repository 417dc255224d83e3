"""Errors and exit codes: one table, and every error is in it."""

from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.errors import ConfigurationInvalid, PasInfraError, Problem
from orchestrator.exit_codes import ExitCode

CODES = {
    "PasInfraError": 1,
    "Locked": 3,
    "Incomplete": 4,
    "Interrupted": 130,
    "ConfigurationInvalid": 5,
}


def test_the_numbers_that_scripts_rely_on() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "ERROR": 1,
        "FINDINGS": 2,
        "LOCKED": 3,
        "INCOMPLETE": 4,
        "CONFIGURATION": 5,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("code", ExitCode)
def test_every_code_says_what_it_means(code: ExitCode) -> None:
    assert len(code.meaning) > 10


def test_every_error_has_its_code() -> None:
    found = {
        name: int(thing.exit_code)
        for name, thing in vars(errors).items()
        if isinstance(thing, type) and issubclass(thing, PasInfraError)
    }
    assert found == CODES


def test_an_error_says_what_where_and_what_next() -> None:
    error = PasInfraError("it is broken", where=Path("a/b.yml"), next_step="mend it")
    assert (str(error), error.what, error.where, error.next_step) == (
        "it is broken",
        "it is broken",
        "a/b.yml",
        "mend it",
    )
    assert PasInfraError("it is broken").where is None


@pytest.mark.parametrize(("line", "where"), [(3, "hosts.yml:3"), (None, "hosts.yml")])
def test_where_a_problem_stands(line: int | None, where: str) -> None:
    assert Problem(Path("hosts.yml"), line, "what", "next").where == where


def test_problems_are_counted_and_stand_in_the_order_of_their_places() -> None:
    a, b = Path("a.yml"), Path("b.yml")
    problems = [Problem(b, 1, "x", ""), Problem(a, 10, "x", ""), Problem(a, 9, "x", ""),
                Problem(a, None, "x", "")]  # fmt: skip
    error = ConfigurationInvalid(problems)
    assert [problem.where for problem in error.problems] == ["a.yml", "a.yml:9", "a.yml:10",
                                                             "b.yml:1"]  # fmt: skip
    assert "4 problems" in error.what
    assert "1 problem;" in ConfigurationInvalid(problems[:1]).what
