"""What an apply does to a host is accepted with it: the accepted state moves on by just that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.drift.collector import Seen, baseline_of
from orchestrator.drift.collector.compare import deviates
from orchestrator.drift.collector.kinds import KINDS
from orchestrator.drift.collector.look import Objects, Value
from orchestrator.drift.finding import Severity
from orchestrator.drift.third_eye import as_recorded, digest, name_of, seen_whole
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.records import RunStatus
from orchestrator.runs import recorded, utc_now
from orchestrator.store import Store

# What fails by itself, and is no work of an apply.
_BY_ITSELF = frozenset({"array", "clock", "disk"})
_FALLEN = ("down", "failed")
_About = Mapping[str, Value]


@dataclass(frozen=True)
class Carried:
    """By host, the objects whose accepted state moved on; and where it stayed as it was, why.

    `open` are the objects that changed too and stay findings.
    """

    run_id: int | None = None
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    open: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


def accepted_hosts(store: Store, hosts: Sequence[str]) -> list[str]:
    """The hosts of which a state was accepted: the first one is for a person to accept."""
    return [host for host in hosts if as_recorded(store, host)]


def carry_forward(
    environment: Environment,
    before: Mapping[str, Seen],
    apply_id: int,
    faults: Mapping[str, str],
) -> Carried:
    """Accept what an apply did on the hosts since `before`, and nothing else; recorded as a run.

    What differed from the accepted state already stays a finding, and nothing is accepted of a host
    with one of the `faults`. Raises nothing: the apply is done, whatever becomes of this.
    """
    if not before:
        return Carried()
    try:
        with recorded(
            environment, "drift baseline", {"hosts": tuple(before), "after": apply_id}
        ) as run:
            seen, left = seen_whole(environment, list(before))
            left |= {host: why for host, why in faults.items() if host in before}
            states: dict[str, Moved] = {}
            for host in seen.keys() - left.keys():
                try:
                    accepted = baseline_of(run.store, host)
                except PasInfraError as error:
                    left[host] = error.what
                    continue
                if accepted is None or not as_recorded(run.store, host):
                    left[host] = "its accepted state is another one than before the apply"
                    continue
                states[host] = moved_on(accepted.objects, before[host].objects, seen[host].objects)
            run.keep_inputs({name_of(host): digest(s.objects) for host, s in states.items()})
            for host, state in states.items():
                run.store.baselines.accept(run.id, host, state.objects, utc_now())
            told = [_told(host, state) for host, state in sorted(states.items())]
            told += [f"{host}: nothing was accepted: {why}" for host, why in sorted(left.items())]
            run.end_with(RunStatus.INCOMPLETE if left else RunStatus.OK, "; ".join(told))
            return Carried(
                run.id,
                {host: state.changed for host, state in states.items()},
                {host: state.left for host, state in states.items() if state.left},
                left,
            )
    except PasInfraError as error:
        return Carried(left=dict.fromkeys(before, error.what))
    except OSError as error:
        return Carried(left=dict.fromkeys(before, str(error)))


@dataclass(frozen=True)
class Moved:
    """An accepted state with what an apply has done; `left` changed too, and stays a finding."""

    objects: Objects
    changed: tuple[str, ...]
    left: tuple[str, ...]


def moved_on(accepted: Objects, before: Objects, after: Objects) -> Moved:
    """The accepted state with what an apply did between two looks.

    Its work is what was as accepted before it: of an object that somebody else had changed already
    nobody can tell whose the rest is. Nor is it what fails by itself, or what could not be told.
    """
    moved = {kind: dict(named) for kind, named in accepted.items()}
    changed, left = [], []
    for kind in sorted(accepted.keys() & before.keys() & after.keys()):
        for name in sorted(before[kind].keys() | after[kind].keys()):
            former, now = before[kind].get(name), after[kind].get(name)
            expected = accepted[kind].get(name)
            if former == now or not deviates(kind, name, now, expected):
                continue
            if deviates(kind, name, former, expected) or not _is_work(kind, now, expected):
                left.append(f"{kind} {name}")
                continue
            changed.append(f"{kind} {name}")
            if now is None:
                del moved[kind][name]
            else:
                moved[kind][name] = now
    return Moved(moved, tuple(changed), tuple(left))


def _is_work(kind: str, now: _About | None, expected: _About | None) -> bool:
    """Whether an apply can have made it so."""
    if kind in _BY_ITSELF:
        return False
    if now is None:
        return True
    former = expected or {}
    if now.get("state") in _FALLEN and now.get("state") != former.get("state"):
        return False
    # Of units that are not loaded nothing more is known; else it would be ignored from then on.
    untold = {key for key, value in now.items() if value == "unknown" != former.get(key)}
    return not untold or (kind == "unit" and expected is None)


def grave(named: Sequence[str]) -> list[str]:
    """Those of the objects by which somebody may have let himself in."""
    kinds = {
        kind for kind, about in KINDS.items() if Severity.HIGH in (about.appears, about.differs)
    }
    return [one for one in named if one.partition(" ")[0] in kinds]


def _told(host: str, moved: Moved) -> str:
    said = f"{host}: accepted: {', '.join(moved.changed) or 'nothing'}"
    return f"{said}; left: {', '.join(moved.left)}" if moved.left else said
