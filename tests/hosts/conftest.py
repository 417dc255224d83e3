"""What the checks of live hosts share: a host's answers, asked for once."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest
import testinfra
from declared import Declared, active_recommendations, read_declaration
from testinfra.host import Host

Answers = Callable[[str], str]

# The kernel's time of a change to a file (ctime) lags by some milliseconds; loading a file takes a
# service longer. For `find -newerct "TIME LAG"`: what changed after the service had read it.
LAG = "0.02 seconds ago"


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """The live host, as root, over one connection: a login for every question would cost more.

    Instead of testinfra's own fixture, which leaves out --ssh-extra-args and without --hosts takes
    this machine: a check must never look at another host than the one it speaks of.
    """
    specification = request.config.getoption("--pas-host-spec", None)
    if not specification:
        raise pytest.UsageError("checks look at a live host: run them with `pas-infra verify`")
    arguments = request.config.getoption("--pas-ssh")
    # A directory of its own with a short name: a control socket's path has 108 bytes at most.
    with tempfile.TemporaryDirectory(prefix="pas-") as sockets:
        shared = f"-o ControlMaster=auto -o ControlPath={sockets}/%C -o ControlPersist=30"
        yield testinfra.get_host(specification, ssh_extra_args=f"{arguments} {shared}", sudo=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the checks of recommendations that this host is not asked to follow.

    A check says by `@pytest.mark.anssi("R36")` which it judges; one of several is enough.
    """
    file = config.getoption("--pas-declared", None)
    if file is None:
        return
    active = active_recommendations(read_declaration(file), _today())
    asked = [
        item
        for item in items
        if not (numbers := {n for mark in item.iter_markers("anssi") for n in mark.args})
        or numbers & active
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in asked])
    items[:] = asked


@pytest.fixture(scope="session")
def declared(request: pytest.FixtureRequest) -> Declared:
    """What the environment declares for this host, over the defaults of the roles."""
    file = request.config.getoption("--pas-declared", None)
    if file is None:
        raise pytest.UsageError(
            "checks need the host's variables: run them with `pas-infra verify`"
        )
    return read_declaration(file)


@pytest.fixture(scope="session")
def active(declared: Declared) -> frozenset[str]:
    """The recommendations of ANSSI-BP-028 that this host follows: `R9` and so on."""
    return active_recommendations(declared, _today())


def _today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture(scope="module")
def answers(host: Host) -> Answers:
    """Run a command as root and return what it prints; each command once a module."""
    known: dict[str, str] = {}

    def ask(command: str) -> str:
        if command not in known:
            done = host.run(command)
            if done.rc == 255:
                # ssh's own code: the host did not answer, which says nothing about its settings.
                raise ConnectionError(done.stderr.strip() or "ssh failed")
            assert done.rc == 0, f"`{command}` failed: {done.stderr.strip() or done.stdout.strip()}"
            known[command] = done.stdout
        return known[command]

    return ask


@pytest.fixture(scope="module")
def client_address(answers: Answers) -> str:
    """The address that this very connection comes from, as sshd sees it."""
    # sudo clears its child's environment but keeps its own, where the session's address stands.
    environment = answers("cat /proc/$PPID/environ").split("\0")
    found = dict(entry.split("=", 1) for entry in environment if "=" in entry)
    return found["SSH_CONNECTION"].split()[0]


@pytest.fixture(scope="module")
def login_accounts(answers: Answers) -> list[str]:
    """Every account that has a shell."""
    entries = [line.split(":") for line in answers("getent passwd").splitlines()]
    return [entry[0] for entry in entries if not entry[6].endswith(("/nologin", "/false", "/sync"))]
