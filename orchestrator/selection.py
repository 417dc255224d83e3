"""What a command narrows itself down to: hosts, roles, measures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from orchestrator.catalogue import load_catalogue, tag_of
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root


@dataclass(frozen=True)
class Selection:
    """The hosts, and the roles and measures (none: all of them); both narrow, never widen."""

    hosts: tuple[str, ...]
    roles: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that select the tasks: of the measures if any are named, else of the roles."""
        return tuple(tag_of(number) for number in self.measures) or self.roles

    @property
    def skip_tags(self) -> tuple[str, ...]:
        """The roles to leave out: Ansible's tags only ever add up, so the others are named."""
        if not (self.roles and self.measures):
            return ()
        return tuple(role for role in role_names() if role not in self.roles)


def select(
    environment: Environment,
    *,
    limit: Sequence[str] = (),
    roles: Sequence[str] = (),
    measures: Sequence[str] = (),
) -> Selection:
    """Check the names and make the selection; raises PasInfraError for one that does not exist.

    A limit names hosts or groups; several may stand in one, separated by commas.
    """
    catalogue = load_catalogue()
    for number in measures:
        catalogue[number]
    known = role_names()
    for role in roles:
        if role not in known:
            raise PasInfraError(
                f"there is no role `{role}`", next_step=f"name one of: {', '.join(known)}"
            )
    wanted = [name for part in limit for name in part.split(",") if name]
    return Selection(_hosts(environment, wanted), tuple(roles), tuple(measures))


def role_names(root: Path | None = None) -> tuple[str, ...]:
    """The roles that bring hosts to the declared state, alphabetically."""
    site = (root or project_root()) / "playbooks/site.yml"
    plays = yaml.safe_load(site.read_text("utf-8"))
    return tuple(sorted({role["role"] for play in plays for role in play["roles"]}))


def _hosts(environment: Environment, wanted: Sequence[str]) -> tuple[str, ...]:
    everything = tuple(host.name for host in environment.hosts)
    if not wanted:
        return everything
    groups = {group for host in environment.hosts for group in host.groups}
    unknown = [name for name in wanted if name not in groups and name not in (*everything, "all")]
    if unknown:
        raise PasInfraError(
            f"the environment {environment.name} has no host or group {', '.join(unknown)}",
            where=environment.directory,
            next_step=f"name some of: {', '.join([*everything, *sorted(groups)])}",
        )
    return tuple(
        host.name
        for host in environment.hosts
        if "all" in wanted or host.name in wanted or set(host.groups) & set(wanted)
    )
