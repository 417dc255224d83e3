"""What an apply does to a host is accepted with it: the accepted state moves on by just that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.drift.collector import Seen, baseline_of, look
from orchestrator.drift.collector.look import Objects
from orchestrator.drift.third_eye import as_recorded, blindness, digest, name_of
from orchestrator.engine import connections
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.records import RunStatus
from orchestrator.runs import recorded, utc_now
from orchestrator.store import Store

_NAMED = 20  # objects of a host that the record names; the rest are counted


@dataclass(frozen=True)
class Carried:
    """By host, the objects whose accepted state moved on; and where it stayed as it was, why."""

    run_id: int | None = None
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


def accepted_hosts(store: Store, hosts: Sequence[str]) -> list[str]:
    """The hosts of which a state was accepted: the first one is for a person to accept."""
    return [host for host in hosts if as_recorded(store, host)]


def seen_before(
    environment: Environment, hosts: Sequence[str]
) -> tuple[dict[str, Seen], dict[str, str]]:
    """What is there on the hosts just before an apply; and of those that cannot say it, why."""
    if not hosts:
        return {}, {}
    seen, left = look(connections(environment, hosts))
    left |= {host: blindness(found) for host, found in seen.items() if found.blind}
    return {host: found for host, found in seen.items() if host not in left}, left


def carry_forward(environment: Environment, before: Mapping[str, Seen], apply_id: int) -> Carried:
    """Accept what changed on the hosts since `before`, and nothing else; recorded as a run.

    What differed from the accepted state already, and did not change since, stays a finding. Raises
    nothing: the apply has been done, whatever becomes of this.
    """
    if not before:
        return Carried()
    try:
        with recorded(
            environment, "drift baseline", {"hosts": tuple(before), "after": apply_id}
        ) as run:
            seen, left = look(connections(environment, list(before)))
            left |= {host: blindness(found) for host, found in seen.items() if found.blind}
            states: dict[str, Objects] = {}
            changed: dict[str, tuple[str, ...]] = {}
            for host in seen.keys() - left.keys():
                try:
                    accepted = baseline_of(run.store, host)
                except PasInfraError as error:
                    left[host] = error.what
                    continue
                if accepted is None or not as_recorded(run.store, host):
                    left[host] = "its accepted state is another one than before the apply"
                    continue
                states[host], changed[host] = moved_on(
                    accepted.objects, before[host].objects, seen[host].objects
                )
            run.keep_inputs({name_of(host): digest(state) for host, state in states.items()})
            for host, state in states.items():
                run.store.baselines.accept(run.id, host, state, utc_now())
            told = [_told(host, names) for host, names in sorted(changed.items())]
            told += [f"{host}: nothing was accepted: {why}" for host, why in sorted(left.items())]
            run.end_with(RunStatus.INCOMPLETE if left else RunStatus.OK, "; ".join(told))
            return Carried(run.id, changed, left)
    except PasInfraError as error:
        return Carried(left=dict.fromkeys(before, error.what))


def moved_on(accepted: Objects, before: Objects, after: Objects) -> tuple[Objects, tuple[str, ...]]:
    """The accepted state with what differs between two looks; and the names of those objects.

    A kind that only one of the looks knows says nothing of what has changed.
    """
    moved = {kind: dict(named) for kind, named in accepted.items()}
    changed = []
    for kind in sorted(before.keys() & after.keys()):
        former, now = before[kind], after[kind]
        for name in sorted(former.keys() | now.keys()):
            if former.get(name) == now.get(name):
                continue
            changed.append(f"{kind} {name}")
            if name in now:
                moved.setdefault(kind, {})[name] = now[name]
            else:
                moved.get(kind, {}).pop(name, None)
    return moved, tuple(changed)


def _told(host: str, names: Sequence[str]) -> str:
    if not names:
        return f"{host}: 0 objects"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{host}: {len(names)} objects: {', '.join(names[:_NAMED])}{more}"
