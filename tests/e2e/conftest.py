"""The command line against a real lab: one for the whole session, apart from the user's own."""

import os
import shutil
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from e2e.bench import HOSTS, LAB, STATE, Bench
from orchestrator.paths import project_root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what wants untouched hosts: it leaves them as all the others want them."""
    items.sort(key=lambda item: item.path.name != "test_apply.py")


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """The lab `e2e`, up; down again and erased at the end, whatever happened."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PAS_INFRA_", "ANSIBLE_")) and name not in ("NO_COLOR", "COLUMNS")
    } | {
        "XDG_STATE_HOME": str(STATE),
        "PAS_INFRA_LAB_DIR": str(STATE / f"pas-infra/labs/{LAB}"),
    }
    made = Bench(environment)
    down = ("lab", "down", "--name", LAB, "--erase")
    made.pas_infra(*down, code=0)
    shutil.rmtree(STATE, ignore_errors=True)
    # An interrupted session ends in order too: pytest runs the rest of a fixture on Ctrl-C only.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # What `nohup` or a script's `&` has us ignore, the commands under test would ignore as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        made.pas_infra("lab", "up", "--name", LAB, *HOSTS, code=0)
        made.hosts = "untouched"
        yield made
    finally:
        made.pas_infra(*down, code=0)
        shutil.rmtree(STATE, ignore_errors=True)


@pytest.fixture
def hardened(bench: Bench) -> Bench:
    """The hosts in the declared state."""
    bench.make_hardened()
    return bench


@pytest.fixture
def environment_copy(tmp_path: Path) -> Path:
    """A copy of the lab's environment, to be named by its path and changed."""
    copy = tmp_path / "copy"
    shutil.copytree(project_root() / "inventories/lab", copy)
    return copy


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, beside a failure, which machines run and what the last of them said."""
    report = yield
    made = getattr(item, "funcargs", {}).get("bench")
    if report.failed and isinstance(made, Bench):
        report.sections.append(("the lab", made.describe()))
    return report
