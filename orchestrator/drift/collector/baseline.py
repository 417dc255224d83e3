"""What was accepted of a host, and how it is kept."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.drift.collector.look import Objects, Seen, read_objects
from orchestrator.errors import PasInfraError
from orchestrator.store import Store


@dataclass(frozen=True)
class Baseline:
    """What was accepted of a host, and when (ISO 8601, UTC)."""

    host: str
    accepted: str
    objects: Objects


def baseline_of(store: Store, host: str) -> Baseline | None:
    """The state of a host that was last accepted; raises PasInfraError when it cannot be read."""
    kept = store.baselines.of(host)
    if kept is None:
        return None
    try:
        objects = read_objects(kept.objects)
    except (ValueError, TypeError, AttributeError) as error:
        raise PasInfraError(
            f"the accepted state of {host} cannot be read: {error}",
            where=store.path,
            next_step="accept it anew: pas-infra drift baseline",
        ) from error
    return Baseline(host, kept.when, objects)


def readable_baseline(store: Store, host: str) -> Baseline | None:
    """The same; None too when it cannot be read: then it is accepted anew."""
    try:
        return baseline_of(store, host)
    except PasInfraError:
        return None


def accept(store: Store, run_id: int, host: str, seen: Seen, now: datetime) -> None:
    """Keep what was seen as the host's accepted state.

    Of what was not looked at, the state that was accepted before stays, if it can be read.
    """
    before = readable_baseline(store, host)
    objects = {**(before.objects if before else {}), **seen.objects}
    store.baselines.accept(run_id, host, objects, now)
