"""One host for the tests of this directory, gone at the end whatever happened."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import GUARD, STATE, SUDO, Rig

from orchestrator.paths import project_root


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The host, up, with the guard as a file of its own."""
    made = Rig()

    def gone() -> None:
        made.lab("down", "--erase")
        subprocess.run([*SUDO, "rm", "-rf", STATE], check=True)

    gone()
    # An interrupted session ends in order too: pytest runs the rest of a fixture on Ctrl-C only.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        made.lab("up", "rbx7")
        guard = (project_root() / "roles/confirmed_commit/files/guard.py").read_text()
        made.root(f"cat > {GUARD} <<'END_OF_GUARD'\n{guard}\nEND_OF_GUARD")
        yield made
    finally:
        gone()


@pytest.fixture(scope="session")
def hardened(rig: Rig) -> Rig:
    """The host with role ssh applied."""
    rig.apply().expect(0)
    return rig


@pytest.fixture
def environment_copy(tmp_path: Path) -> Path:
    """A copy of the lab's environment, to be changed."""
    copy = tmp_path / "copy"
    shutil.copytree(project_root() / "inventories/lab", copy)
    return copy
