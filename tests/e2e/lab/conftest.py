"""Two labs for the tests of this directory, gone at the end whatever happened."""

import signal
import subprocess
from collections.abc import Iterator

import pytest
from labs import STATE, SUDO, Lab


def _gone(*labs: Lab) -> None:
    for lab in labs:
        lab.do("down", "--erase")
    subprocess.run([*SUDO, "rm", "-rf", STATE], check=True)


@pytest.fixture(scope="session")
def labs() -> Iterator[tuple[Lab, Lab, Lab]]:
    """Three names; nothing of any of them runs before and after."""
    found = (Lab("f-one"), Lab("f-two"), Lab("f-crash"))
    _gone(*found)
    # An interrupted session ends in order too: pytest runs the rest of a fixture on Ctrl-C only.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield found
    finally:
        _gone(*found)


@pytest.fixture
def lab(labs: tuple[Lab, Lab, Lab]) -> Lab:
    """The lab f-one with two machines up."""
    labs[0].do("up", "rbx7", "sysfab")
    return labs[0]


@pytest.fixture
def other(labs: tuple[Lab, Lab, Lab]) -> Lab:
    """The lab f-two with one machine up."""
    labs[1].do("up", "rbx7")
    return labs[1]


@pytest.fixture
def crash(labs: tuple[Lab, Lab, Lab]) -> Iterator[Lab]:
    """The lab f-crash, of which nothing is left at the beginning and at the end."""
    yield labs[2]
    labs[2].do("down", "--erase")
