"""The pytest plugin of the checks, in a real pytest, against this machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.paths import project_root

# As tests/hosts/conftest.py, but for the machine itself.
CONFTEST = """\
import pytest, testinfra

@pytest.fixture(scope="session")
def host():
    return testinfra.get_host("local://")
"""
CHECKS = '''\
import pytest


@pytest.mark.pas("6.2.1", "5.5.2")
def test_holds(host):
    """It holds.

    And this is why.
    """
    assert host.run("true").rc == 0


@pytest.mark.pas("6.2.1")
def test_fails():
    assert [1] == [2], "the list is [1]\\nand more"


@pytest.mark.pas("6.2.1")
def test_fails_without_a_word():
    assert False


@pytest.mark.pas("5.5.2")
def test_skipped():
    pytest.skip("nothing to see")


@pytest.mark.pas("5.5.2")
def test_breaks_down():
    {}["x"]


@pytest.fixture
def broken():
    raise ConnectionError("ssh failed")


@pytest.mark.pas("5.5.2")
def test_cannot_begin(broken):
    pass


@pytest.mark.pas("4.1.1")
@pytest.mark.parametrize("number", [1, 2])
def test_several(number):
    assert number == 1, f"{number} is not 1"


@pytest.mark.pas("4.1.1")
@pytest.mark.needs_full_kernel
def test_kernel():
    pass


def test_proves_nothing():
    pass
'''
VERDICTS = {
    "test_checks.py::test_holds": [("holds", "")],
    "test_checks.py::test_fails": [("fails", "the list is [1]")],
    "test_checks.py::test_fails_without_a_word": [("fails", "assert False")],
    "test_checks.py::test_skipped": [("unmeasured", "nothing to see")],
    "test_checks.py::test_breaks_down": [("unmeasured", "the check broke down: KeyError('x')")],
    "test_checks.py::test_cannot_begin": [
        ("unmeasured", "the check broke down: ConnectionError('ssh failed')")
    ],
    "test_checks.py::test_several": [("holds", ""), ("fails", "2 is not 1")],
    "test_checks.py::test_proves_nothing": [("holds", "")],
}
Results = list[dict[str, object]]


def run_checks(directory: Path, *options: str) -> tuple[int, Results]:
    (directory / "conftest.py").write_text(CONFTEST)
    (directory / "test_checks.py").write_text(CHECKS)
    results = directory / "results"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "orchestrator.check_plugin",
         "-p", "no:cacheprovider", "--strict-markers", "--pas-host=web1",
         f"--pas-results={results}", "--rootdir", directory, *options, directory],
        cwd=project_root(), capture_output=True, check=False,
    )  # fmt: skip
    lines = results.read_text().splitlines() if results.exists() else []
    return done.returncode, [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Results:
    code, results = run_checks(tmp_path_factory.mktemp("checks"))
    assert code == 1
    return results


def of(results: Results, check: str) -> Results:
    return [result for result in results if result["check"] == check]


@pytest.mark.parametrize("check", VERDICTS)
def test_verdict(every: Results, check: str) -> None:
    assert [(r["verdict"], r["message"]) for r in of(every, check)] == VERDICTS[check]


def test_what_needs_a_kernel_is_unmeasured_in_a_container_only(every: Results) -> None:
    container = subprocess.run(
        ["systemd-detect-virt", "--container", "--quiet"], check=False
    ).returncode
    [result] = of(every, "test_checks.py::test_kernel")
    expected = ("unmeasured", "needs a full kernel: this host is a container")
    assert (result["verdict"], result["message"]) == (expected if container == 0 else ("holds", ""))


def test_each_check_is_recorded_once(every: Results) -> None:
    assert len(every) == sum(map(len, VERDICTS.values())) + 1


def test_what_else_is_recorded(every: Results) -> None:
    [result] = of(every, "test_checks.py::test_holds")
    assert (result["host"], result["title"]) == ("web1", "It holds.")
    assert result["measures"] == ["6.2.1", "5.5.2"]
    assert isinstance(result["duration"], float)
    [nameless] = of(every, "test_checks.py::test_proves_nothing")
    assert (nameless["title"], nameless["measures"]) == ("test_proves_nothing", [])


@pytest.mark.parametrize(
    ("asked", "code", "names"),
    [
        (["4.1.1"], 1, {"test_several", "test_kernel"}),
        (["6.2.1", "4.1.1"], 1,
         {"test_holds", "test_fails", "test_fails_without_a_word", "test_several", "test_kernel"}),
        (["1.1.1"], 5, set()),
    ],
)  # fmt: skip
def test_only_the_checks_of_the_measures_asked_for(
    tmp_path: Path, asked: list[str], code: int, names: set[str]
) -> None:
    found, results = run_checks(tmp_path, *(f"--pas-measure={number}" for number in asked))
    assert found == code
    assert {str(r["check"]).partition("::")[2] for r in results} == names
