"""The pytest plugin of the checks: measures to select by, verdicts to record.

A check that is skipped is *unmeasured*, with its reason: silence is never a pass.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from orchestrator.records import BROKE_DOWN, NEEDS_FULL_KERNEL, CheckResult, Verdict


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options that `pas-infra verify` passes."""
    group = parser.getgroup("pas-infra")
    group.addoption("--pas-host", help="The host's name in the inventory.")
    group.addoption("--pas-host-spec", help="How testinfra reaches it: ssh://user@address:port.")
    group.addoption("--pas-ssh", default="", help="Further arguments for ssh, quoted as in sh.")
    group.addoption("--pas-declared", type=Path, help="What the inventory declares for the host.")
    group.addoption(
        "--pas-environment", type=Path, help="The directory whose registers are checked."
    )
    group.addoption("--pas-results", type=Path, help="File for the results, one JSON a line.")
    group.addoption(
        "--pas-measure", action="append", default=[], help="Only the checks of this measure."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks, for a call from outside the checkout too."""
    config.addinivalue_line("markers", "pas(*measures): the measures that this check proves")
    config.addinivalue_line("markers", "anssi(*numbers): recommendations of BP-028 that it judges")
    config.addinivalue_line("markers", "needs_full_kernel: unmeasured on a container host")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the checks of the measures asked for."""
    wanted = set(config.getoption("--pas-measure"))
    if not wanted:
        return
    chosen = [item for item in items if wanted & set(measures_of(item))]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture(autouse=True)
def _full_kernel(request: pytest.FixtureRequest) -> None:
    """Leave unmeasured, on a container, what only a host with a kernel of its own can show."""
    if request.node.get_closest_marker("needs_full_kernel") is None:
        return
    # Asked for here only: the checks of registers have no host.
    host: Host = request.getfixturevalue("host")
    # systemd-detect-virt answers by its exit code: 0 inside a container.
    if host.run("systemd-detect-virt --container --quiet").rc == 0:
        pytest.skip(f"{NEEDS_FULL_KERNEL}: this host is a container")


@pytest.fixture(scope="session")
def directory(request: pytest.FixtureRequest) -> Path:
    """The directory of the environment whose registers are checked."""
    given = request.config.getoption("--pas-environment")
    if not isinstance(given, Path):
        raise pytest.UsageError("checks of registers need an environment: run `pas-infra verify`")
    return given


@pytest.fixture
def register_holds(
    directory: Path, record_property: Callable[[str, object], None]
) -> Callable[[str, str], None]:
    """Judges a check of a register by its definition: its register and its name."""
    # Asked for here only: no host needs the registers.
    from orchestrator.registers.checks import register_holds as judged

    return lambda register, check: judged(directory, register, check, record_property)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Record the verdict of each check once, from the phase that decides it."""
    outcome = yield
    report = outcome.get_result()
    results = item.config.getoption("--pas-results")
    decides = report.when == "call" or (report.when == "setup" and not report.passed)
    if results is None or not decides:
        return
    verdict, message = verdict_of(report, call)
    function = getattr(item, "originalname", None) or item.name
    result = CheckResult(
        host=item.config.getoption("--pas-host") or "",
        check=f"{item.path.name}::{function}",
        title=title_of(item),
        measures=measures_of(item),
        verdict=verdict,
        message=message,
        duration=call.duration,
    )
    with results.open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def verdict_of(report: pytest.TestReport, call: pytest.CallInfo[None]) -> tuple[Verdict, str]:
    """The verdict and its reason; a check that breaks down has measured nothing.

    One that holds may have something to say too: `record_property("says", …)`.
    """
    if report.passed:
        return Verdict.HOLDS, str(dict(report.user_properties).get("says", ""))
    error = call.excinfo.value if call.excinfo else None
    if report.skipped:
        return Verdict.UNMEASURED, str(getattr(error, "msg", error))
    if isinstance(error, AssertionError):
        return Verdict.FAILS, str(error).strip().splitlines()[0] if str(error) else "does not hold"
    return Verdict.UNMEASURED, f"{BROKE_DOWN}: {error!r}"


def measures_of(item: pytest.Item) -> tuple[str, ...]:
    """The measures that the check's marks name."""
    return tuple(number for mark in item.iter_markers("pas") for number in mark.args)


def title_of(item: pytest.Item) -> str:
    """The first line of the check's docstring, else its name."""
    text = getattr(getattr(item, "function", None), "__doc__", None) or ""
    return text.strip().splitlines()[0] if text.strip() else item.name
