"""Doctor: whether this control node has what it needs, and what to do about what it lacks."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata

from orchestrator.engine import Connection, connections
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.lab import lab_tools, missing_tools, privilege_problem
from orchestrator.paths import cache_directory, state_directory

_OLDEST_PYTHON = (3, 11)
_ROOM_MB = {"state": 1000, "cache": 2500}
_LARGEST_SKEW = 2.0  # seconds between this machine and a host, ssh's own time included


class Health(StrEnum):
    """What a diagnosis says."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at; `next_step` is "" where nothing is to be done."""

    subject: str
    health: Health
    found: str
    next_step: str = ""


def diagnose(environment: Environment, *, clock: Callable[[], float]) -> list[Diagnosis]:
    """Look at this machine and at the way to every host; nothing is changed.

    `clock` returns seconds since 1970 in UTC.
    """
    found = [*_programs(), *_room()]
    if environment.lab is not None:
        found += _lab(environment)
    return [*found, *_hosts(environment, clock)]


def _programs() -> Iterator[Diagnosis]:
    here = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, _OLDEST_PYTHON))
    good = sys.version_info >= _OLDEST_PYTHON
    yield _judge("Python", here, good, f"install Python {wanted} or newer")
    for name in ("ansible-core", "ansible-runner", "pytest-testinfra"):
        yield Diagnosis(name, Health.GOOD, metadata.version(name))
    if importlib.util.find_spec("ansible_mitogen"):
        yield Diagnosis("mitogen", Health.GOOD, metadata.version("mitogen"))
    else:
        yield Diagnosis(
            "mitogen", Health.WARNING, "not installed: runs take about three times as long",
            "pip install mitogen",
        )  # fmt: skip
    ssh = shutil.which("ssh")
    yield _judge("ssh", ssh or "not found", ssh is not None, "apt-get install openssh-client")


def _room() -> Iterator[Diagnosis]:
    for name, directory in (("state", state_directory()), ("cache", cache_directory())):
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        free = shutil.disk_usage(existing).free // 2**20
        usable = os.access(existing, os.W_OK) and free >= _ROOM_MB[name]
        yield _judge(
            f"disk for {name}",
            f"{free} MB free in {directory}",
            usable,
            f"free {_ROOM_MB[name]} MB, or set XDG_{name.upper()}_HOME to a larger disk",
        )


def _lab(environment: Environment) -> Iterator[Diagnosis]:
    backends = {machine.backend for machine in environment.lab.machines} if environment.lab else ()
    tools = lab_tools(backends)
    missing, packages = missing_tools(tools)
    yield _judge(
        "tools of the lab",
        f"missing: {', '.join(missing)}" if missing else ", ".join(tools),
        not missing,
        f"apt-get install --no-install-recommends {' '.join(packages)}",
    )
    problem = privilege_problem()
    yield (
        Diagnosis("privileges", Health.BAD, problem.what, problem.next_step or "")
        if problem
        else Diagnosis("privileges", Health.GOOD, "root's rights without a prompt")
    )


def _hosts(environment: Environment, clock: Callable[[], float]) -> Iterable[Diagnosis]:
    try:
        reached = connections(environment, [host.name for host in environment.hosts])
    except PasInfraError as error:
        return [Diagnosis("inventory", Health.BAD, error.what, error.next_step or "")]
    with ThreadPoolExecutor(max_workers=max(len(reached), 1)) as pool:
        answers = list(pool.map(lambda connection: _host(connection, environment, clock), reached))
    return [diagnosis for diagnoses in answers for diagnosis in diagnoses]


def _host(
    connection: Connection, environment: Environment, clock: Callable[[], float]
) -> list[Diagnosis]:
    """Login with a checked host key, root's rights, Python, and the host's clock, in one trip."""
    name = connection.host
    remedy = (
        "pas-infra lab up"
        if environment.lab is not None
        else f"try {' '.join(connection.ssh)} and read what it says"
    )
    try:
        done = subprocess.run(
            [*connection.ssh_batch, "sudo -n true && python3 -V && date +%s.%N"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [Diagnosis(name, Health.BAD, "no answer within 60 s", remedy)]
    if done.returncode == 255:
        said = " ".join(done.stderr.split()) or "no answer"
        return [Diagnosis(name, Health.BAD, said, remedy)]
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        return [
            Diagnosis(name, Health.BAD, f"reached, but: {said}",
                      "give the account sudo without a prompt, and install python3")
        ]  # fmt: skip
    python, seconds = done.stdout.split("\n")[:2]
    skew = abs(float(seconds) - clock())
    return [
        Diagnosis(name, Health.GOOD, f"reached, sudo works, {python}"),
        _judge(
            f"clock of {name}",
            f"{skew:.1f} s from this machine's",
            skew <= _LARGEST_SKEW,
            "set this machine's clock, or apply the role time",
            otherwise=Health.WARNING,
        ),
    ]


def _judge(
    subject: str, found: str, good: object, next_step: str, *, otherwise: Health = Health.BAD
) -> Diagnosis:
    if good:
        return Diagnosis(subject, Health.GOOD, found)
    return Diagnosis(subject, otherwise, found, next_step)


def bad(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Those that keep pas-infra from working."""
    return [diagnosis for diagnosis in diagnoses if diagnosis.health is Health.BAD]
