"""From what the checks said to the state of each measure, waivers included."""

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from orchestrator.engine import Connection
from orchestrator.environment import Waiver
from orchestrator.exit_codes import ExitCode
from orchestrator.junit import junit_xml
from orchestrator.records import BROKE_DOWN, CheckResult, MeasureState, RunStatus, Verdict
from orchestrator.selection import Selection
from orchestrator.verify import Verification, check_files, pytest_command, waive

TODAY = date(2026, 3, 15)
RULE = "test_ssh.py::test_ciphers"
WAIVER = Waiver(RULE, "Old client", "Alone in its network", "A. Martin", TODAY, None)
FAILURE = CheckResult("web1", RULE, "Only strong ciphers", ("6.2.1",), Verdict.FAILS, "3des-cbc")


def check(verdict: Verdict, message: str = "", **more: object) -> CheckResult:
    return replace(FAILURE, verdict=verdict, message=message, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("waivers", "verdict", "message"),
    [
        pytest.param([], Verdict.FAILS, "3des-cbc", id="none"),
        pytest.param([{}], Verdict.WAIVED, "waived until 2026-03-15 by A. Martin: Old client",
                     id="last day"),
        pytest.param([{"until": date(2026, 3, 14)}], Verdict.FAILS,
                     "the waiver expired on 2026-03-14; 3des-cbc", id="expired the day before"),
        pytest.param([{"hosts": ("web1", "web2")}], Verdict.WAIVED, "Old client", id="its host"),
        pytest.param([{"hosts": ("web2",)}], Verdict.FAILS, "3des-cbc", id="another host"),
        pytest.param([{"rule": "test_ssh.py::test_keys"}], Verdict.FAILS, "3des-cbc",
                     id="another check"),
        pytest.param([{"rule": "test_ssh.py"}], Verdict.FAILS, "3des-cbc", id="a whole file"),
        pytest.param([{"until": date(2026, 1, 1)}, {}], Verdict.WAIVED, "Old client",
                     id="renewed"),
        pytest.param([{}, {"until": date(2026, 1, 1)}], Verdict.WAIVED, "Old client",
                     id="renewed above"),
    ],
)  # fmt: skip
def test_a_waiver_covers_its_check_on_its_hosts_through_its_last_day(
    waivers: list[dict[str, object]], verdict: Verdict, message: str
) -> None:
    all_of_them = [replace(WAIVER, **change) for change in waivers]  # type: ignore[arg-type]
    waived = waive(FAILURE, all_of_them, TODAY)
    assert waived.verdict is verdict
    assert message in waived.message


@pytest.mark.parametrize("verdict", [Verdict.HOLDS, Verdict.UNMEASURED])
def test_a_waiver_touches_failures_only(verdict: Verdict) -> None:
    assert waive(check(verdict), [WAIVER], TODAY) == check(verdict)


def test_an_expired_waiver_of_a_failure_that_says_nothing() -> None:
    expired = replace(WAIVER, until=date(2020, 1, 1))
    assert waive(check(Verdict.FAILS), [expired], TODAY).message == (
        "the waiver expired on 2020-01-01"
    )


HOLDS, FAILS, WAIVED = check(Verdict.HOLDS), check(Verdict.FAILS), check(Verdict.WAIVED)
CONTAINER = check(Verdict.UNMEASURED, "needs a full kernel: this host is a container")
BROKEN = check(Verdict.UNMEASURED, f"{BROKE_DOWN}: KeyError('x')")


@pytest.mark.parametrize(
    ("checks", "missing", "strict", "code", "status"),
    [
        ([HOLDS], {}, False, ExitCode.OK, RunStatus.OK),
        ([HOLDS, WAIVED], {}, True, ExitCode.OK, RunStatus.OK),
        ([HOLDS, FAILS], {}, False, ExitCode.FINDINGS, RunStatus.FINDINGS),
        ([HOLDS, CONTAINER], {}, False, ExitCode.OK, RunStatus.OK),
        ([HOLDS, CONTAINER], {}, True, ExitCode.INCOMPLETE, RunStatus.INCOMPLETE),
        ([HOLDS, BROKEN], {}, False, ExitCode.INCOMPLETE, RunStatus.INCOMPLETE),
        ([FAILS, BROKEN], {}, False, ExitCode.INCOMPLETE, RunStatus.INCOMPLETE),
        ([HOLDS], {"web2": "no answer"}, False, ExitCode.INCOMPLETE, RunStatus.INCOMPLETE),
        ([FAILS], {"web2": "no answer"}, False, ExitCode.INCOMPLETE, RunStatus.INCOMPLETE),
        ([], {}, False, ExitCode.INCOMPLETE, RunStatus.INCOMPLETE),
        ([], {"web1": "no answer"}, False, ExitCode.INCOMPLETE, RunStatus.INCOMPLETE),
    ],
)
def test_exit_code_and_status(
    *,
    checks: list[CheckResult],
    missing: dict[str, str],
    strict: bool,
    code: ExitCode,
    status: RunStatus,
) -> None:
    verification = Verification(tuple(checks), missing, strict=strict)
    assert (verification.exit_code, verification.run_status) == (code, status)


def test_a_measure_sums_up_its_checks_over_all_hosts_in_the_contracts_order() -> None:
    checks = (
        check(Verdict.HOLDS, measures=("10.1.1", "6.2.1")),
        check(Verdict.FAILS, measures=("6.2.1",), host="web2"),
        check(Verdict.HOLDS, measures=("2.1.1",)),
        check(Verdict.HOLDS, measures=()),
    )
    assert list(Verification(checks, {}, strict=False).measures.items()) == [
        ("2.1.1", MeasureState.KEPT),
        ("6.2.1", MeasureState.PARTLY),
        ("10.1.1", MeasureState.KEPT),
    ]


@pytest.mark.parametrize(
    ("checks", "missing", "summary"),
    [
        ([HOLDS, HOLDS, FAILS, WAIVED], {}, "2 holds, 1 fails, 1 waived"),
        ([], {}, "no check ran"),
        ([HOLDS], {"web2": "silent"}, "1 holds; web2: silent"),
    ],
)
def test_summary(checks: list[CheckResult], missing: dict[str, str], summary: str) -> None:
    assert Verification(tuple(checks), missing, strict=False).summary == summary


CONNECTION = Connection("web1", "2001:2::11", 2222, "ops", "-F none -o 'ProxyCommand=nc %h'")


def test_the_command_names_the_host_and_what_was_asked_for() -> None:
    selection = Selection(("web1",), ("ssh",), ("6.2.1", "5.5.2"))
    files = check_files(selection)
    command = pytest_command(CONNECTION, selection, Path("results"), Path("declared"), files)
    assert command[:3] == [sys.executable, "-m", "pytest"]
    assert "--pas-host-spec=ssh://ops@[2001:2::11]:2222" in command
    assert "--pas-ssh=-F none -o 'ProxyCommand=nc %h'" in command
    assert {"--pas-host=web1", "--pas-declared=declared", "--pas-results=results"} < set(command)
    assert [part for part in command if "measure" in part] == [
        "--pas-measure=6.2.1",
        "--pas-measure=5.5.2",
    ]
    assert command[-1].endswith("tests/hosts/test_ssh.py")


@pytest.mark.parametrize(
    ("roles", "files"),
    [
        (("ssh",), ["test_ssh.py"]),
        (("time", "ssh"), ["test_time.py", "test_ssh.py"]),
        (("confirmed_commit",), []),
    ],
)
def test_each_role_has_its_file_of_checks(roles: tuple[str, ...], files: list[str]) -> None:
    found = check_files(Selection(("web1",), roles))
    assert [file.name for file in found] == files
    assert all(file.exists() for file in found)


def test_without_a_role_all_checks_run_and_only_checks() -> None:
    names = [file.name for file in check_files(Selection(("web1",)))]
    assert {"test_ssh.py", "test_time.py"} < set(names)
    assert all(name.startswith("test_") for name in names)


def test_junit() -> None:
    checks = (
        check(Verdict.HOLDS, duration=0.1234),
        check(Verdict.FAILS, 'weak: "3des" < aes & more é \x1b[1m'),
        check(Verdict.UNMEASURED, "a container"),
        check(Verdict.WAIVED, "until 2026-03-15", host="web2"),
    )
    text = junit_xml(Verification(checks, {"web2": "cut off", "web3": "no answer"}, strict=False))
    root = ElementTree.fromstring(text)  # noqa: S314 - written just above
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["web1", "web2", "web3"]
    counts = [
        [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] for suite in root
    ]
    assert counts == [["3", "1", "0", "1"], ["2", "0", "1", "1"], ["1", "0", "1", "0"]]
    outcomes = [
        (case.tag, case.get("message")) for suite in root for test in suite for case in test
    ]
    assert outcomes == [
        ("failure", 'weak: "3des" < aes & more é \ufffd[1m'),
        ("skipped", "unmeasured: a container"),
        ("skipped", "waived: until 2026-03-15"),
        ("error", "cut off"),
        ("error", "no answer"),
    ]
    first = suites["web1"][0]
    assert (first.get("classname"), first.get("name"), first.get("time"), len(first)) == (
        "web1.test_ssh",
        "Only strong ciphers (6.2.1)",
        "0.123",
        0,
    )
