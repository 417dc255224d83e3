"""`pytest tests/tampering --role ssh --host rbx7 --host sysfab`, against converged hosts of a lab.

The lab is the one that PAS_INFRA_LAB_DIR names. Without --role there is nothing to run.
"""

import pytest

from orchestrator.environment import load_environment
from orchestrator.errors import PasInfraError
from tampering.bench import Batch, Bench, rounds
from tampering.corpus import Tampering, batches, brief, read_corpus, sample


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tampering")
    group.addoption("--role", help="The role whose tamperings are tried.")
    group.addoption(
        "--host", action="append", default=[], help="A converged host; more are faster."
    )
    group.addoption(
        "--brief",
        action="store_true",
        help="As many as show every check and every task once, and those that mix at once.",
    )
    group.addoption(
        "--sample",
        action="store_true",
        help="Of these as many as are tried at the same time, once: one batch a host.",
    )
    group.addoption(
        "--backend",
        choices=("nspawn", "qemu"),
        help="Only those that this kind of host alone shows; those that mix at once.",
    )
    group.addoption("--environment", default="lab", help="The environment of the hosts: a lab.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "tampering" in metafunc.fixturenames:
        role = metafunc.config.getoption("--role")
        corpus = read_corpus(role) if role else []
        if backend := metafunc.config.getoption("--backend"):
            corpus = [each for each in corpus if each.backend == backend]
        if metafunc.config.getoption("--brief"):
            corpus = brief(corpus)
        if metafunc.config.getoption("--sample"):
            corpus = sample(corpus, len(metafunc.config.getoption("--host")) or 1)
        metafunc.parametrize("tampering", corpus, ids=str)


@pytest.fixture(scope="session")
def corpus(request: pytest.FixtureRequest) -> list[Tampering]:
    """The tamperings that this session tries."""
    tried = (
        item.callspec.params.get("tampering")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    )
    return list(dict.fromkeys(each for each in tried if isinstance(each, Tampering)))


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Bench:
    role = request.config.getoption("--role")
    if not role:
        pytest.skip("no --role is named")
    environment = load_environment(request.config.getoption("--environment"))
    if environment.kind != "lab":
        raise PasInfraError(
            f"{environment.name} is no lab: its hosts are not tampered with",
            next_step="name a lab with --environment",
        )
    return Bench(environment, role, request.config.getoption("--host") or ["rbx7"])


@pytest.fixture(scope="session")
def round_of(
    request: pytest.FixtureRequest, bench: Bench, corpus: list[Tampering]
) -> dict[Tampering, tuple[Batch, ...]]:
    """Which tamperings are tried at the same time."""
    backend = "nspawn" if bench.is_container() else "qemu"
    here = [each for each in corpus if each.backend in ("any", backend)]
    at_once = any(map(request.config.getoption, ("--brief", "--sample", "--backend")))
    together = batches(here) if at_once else [(each,) for each in here]
    return {
        tampering: round_
        for round_ in rounds(together, len(bench.hosts))
        for batch in round_
        for tampering in batch
    }


@pytest.fixture(scope="session")
def known_failures(bench: Bench) -> set[str]:
    """The checks that fail on the converged hosts already: every one must be waived there."""
    found: set[str] = set()
    for host, sight in bench.look().items():
        assert not sight.troubles, sight.troubles
        assert not sight.drift, f"{host} is not converged"
        unwaived = {check for check in sight.failing if (check, host) not in bench.waived}
        assert not unwaived, f"{host}: {unwaived} fail before anything was done to it"
        found |= set(sight.failing)
    return found
