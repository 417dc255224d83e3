"""What is backed up: the declared data sets and the clients' own, a repository and a key each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from orchestrator.engine import Connection, connections, variables
from orchestrator.environment import Environment, role_defaults
from orchestrator.errors import PasInfraError
from orchestrator.offboardings import Journal
from orchestrator.paths import project_root

_OF_CLIENT = "client-"
_TARGETS, _AGE = "backup_target_hosts", "backup_source_max_age_hours"


@dataclass(frozen=True)
class Line:
    """A source and the target that comes to it; its archives may be `oldest` old."""

    source: Connection
    target: Connection
    oldest: timedelta


@dataclass(frozen=True)
class Repository:
    """The backups of one data set; `name` is that of the data set, of its host alone."""

    host: str
    name: str
    title: str
    paths: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"

    @property
    def client(self) -> str:
        """Whose own data it holds; "" for a data set of the host."""
        return self.name.removeprefix(_OF_CLIENT) if self.name.startswith(_OF_CLIENT) else ""


def declared_repositories(environment: Environment) -> tuple[Repository, ...]:
    """What data_sets.yml and clients.yml come to, without clients who are being offboarded."""
    return (
        *(Repository(one.host, one.name, one.title, one.paths) for one in environment.data_sets),
        *(
            Repository(one.host, name_for(one.name), one.title, (f"/srv/clients/{one.name}",))
            for one in environment.clients
            if Journal.found(environment, one.name) is None
        ),
    )


def name_for(client: str) -> str:
    """What the repository of a client is called; no data set may be called so."""
    return f"{_OF_CLIENT}{client}"


def repositories(environment: Environment, hosts: Iterable[str] = ()) -> tuple[Repository, ...]:
    """All repositories, or those of some hosts; raises PasInfraError when there is none."""
    wanted = set(hosts)
    found = tuple(
        one for one in declared_repositories(environment) if not wanted or one.host in wanted
    )
    if not found:
        raise PasInfraError(
            "nothing is declared to be backed up"
            + (f" of {', '.join(sorted(wanted))}" if wanted else ""),
            where=environment.directory / "data_sets.yml",
            next_step="declare the data sets there (docs/how-to/backup.md)",
        )
    return found


def repository_of(environment: Environment, name: str) -> Repository:
    """The repository called `HOST/NAME`; raises PasInfraError when there is none."""
    known = {str(one): one for one in repositories(environment)}
    if name not in known:
        raise PasInfraError(
            f"there is no data set `{name}`", next_step=f"name one of: {', '.join(sorted(known))}"
        )
    return known[name]


def _settings(environment: Environment, hosts: list[str]) -> Mapping[str, Mapping[str, Any]]:
    defaults = {
        name: value
        for role in ("backup_source", "backup_target")
        for name, value in role_defaults(project_root() / "roles" / role).items()
    }
    declared = variables(environment, hosts, [_TARGETS, _AGE])
    return {
        host: {name: defaults[name] if value is None else value for name, value in found.items()}
        for host, found in declared.items()
    }


def declared_oldest(environment: Environment, source: str) -> timedelta:
    """How old the last archive of a host may be, without asking Ansible.

    Raises PasInfraError where only Ansible can tell, since it is computed.
    """
    declared = environment.host(source).variables.get(_AGE)
    if declared is None:
        declared = role_defaults(project_root() / "roles" / "backup_source")[_AGE]
    if not isinstance(declared, int):
        raise PasInfraError(
            f"{_AGE} of {source} is computed: how old its archives may be, Ansible alone can tell",
            where=environment.directory,
            next_step="pas-infra backup status",
        )
    return timedelta(hours=declared)


def lines_to(environment: Environment, sources: Iterable[str]) -> dict[str, Line]:
    """How each source and its target are reached; raises PasInfraError where none is declared."""
    hosts = sorted(set(sources))
    targets = {}
    for host, declared in _settings(environment, hosts).items():
        found = [str(each) for each in declared[_TARGETS] if each != host]
        if not found:
            raise PasInfraError(
                f"no host is declared to fetch the backups of {host}",
                where=environment.directory / "group_vars",
                next_step=f"set {_TARGETS} (roles/backup_target/README.md)",
            )
        targets[host] = found[0], timedelta(hours=int(declared[_AGE]))
    every = sorted({*hosts, *(target for target, _ in targets.values())})
    reached = dict(zip(every, connections(environment, every), strict=True))
    return {
        host: Line(reached[host], reached[target], oldest)
        for host, (target, oldest) in targets.items()
    }
