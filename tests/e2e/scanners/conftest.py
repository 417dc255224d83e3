"""A lab of two servers as seen from outside, for every scanner."""

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from e2e.scanners.outside import LAB, STATE, Outsider


@pytest.fixture(scope="session")
def outsider() -> Iterator[Outsider]:
    """Two servers with roles firewall and ssh, and the outsider; gone whatever happened."""
    inherited = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PAS_INFRA_", "ANSIBLE_"))
    }
    made = Outsider(
        inherited
        | {"XDG_STATE_HOME": str(STATE), "PAS_INFRA_LAB_DIR": f"{STATE}/pas-infra/labs/{LAB}"}
    )
    hosts, narrowed = ("rbx7", "sysfab"), ("--role", "firewall", "--role", "ssh")
    made.must("lab", "down", "--name", LAB, "--erase")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        made.must("lab", "up", "--name", LAB, *hosts, "outsider")
        made.must("apply", "--yes", "--limit", ",".join(hosts), *narrowed)
        yield made
    finally:
        made.must("lab", "down", "--name", LAB, "--erase")
        shutil.rmtree(STATE, ignore_errors=True)
