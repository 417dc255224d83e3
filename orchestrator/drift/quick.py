"""The fast path: what is known of a host in one round trip, against the state that was accepted."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from orchestrator.drift import canary, third_eye
from orchestrator.drift.collector import SLOW, readable_baseline
from orchestrator.drift.coverage import Coverage
from orchestrator.drift.finding import Eye
from orchestrator.drift.look import TOKEN_BYTES, Drift, headline, sighting_of, summed_up
from orchestrator.engine import connections
from orchestrator.environment import Environment
from orchestrator.runs import Recorder, recorded, utc_now
from orchestrator.selection import Selection
from orchestrator.store import Store


def quick_look(environment: Environment, selection: Selection, *, today: date) -> Drift:
    """Look at the hosts through the third eye alone, which reads no program; recorded.

    It tells what has moved since the hosts were accepted; that nothing is wrong in what it does not
    look at, only `look` says, so it closes no finding. Raises Locked when another run holds the
    environment.
    """
    token = secrets.token_hex(TOKEN_BYTES)
    with recorded(environment, "drift quick", {"hosts": selection.hosts}) as run:
        started = utc_now()
        reached = connections(environment, selection.hosts)
        try:
            unplaced = canary.tamper(reached, token)
            seen = third_eye.collected(environment, run.store, reached, utc_now(), quick=True)
        finally:
            unrestored = canary.restore(reached)
        unseen = canary.unseen(seen.findings, selection.hosts, token, [Eye.COLLECTOR])
        why: dict[str, list[str]] = {host: [] for host in selection.hosts}
        for told in (unplaced, seen.uncompared, unrestored, unseen):
            for host, reason in told.items():
                if reason not in why[host]:
                    why[host].append(reason)
        seconds = (utc_now() - started).total_seconds()
        drift = _remember(environment, selection, run, seen, why, seconds=seconds, today=today)
        run.end_with(drift.status, "; ".join(headline(host) for host in drift.hosts))
    return drift


def _remember(
    environment: Environment,
    selection: Selection,
    run: Recorder,
    seen: third_eye.Collected,
    why: Mapping[str, list[str]],
    *,
    seconds: float,
    today: date,
) -> Drift:
    known = {one.identity: one for one in run.store.drift.open()}
    found = [
        sighting_of(
            one, third_eye.cause_since_accepted(run.store, one.host), environment.waivers, today
        )
        for one in seen.findings
        if not canary.is_canary(one)
    ]
    sightings = run.store.drift.keep_sightings(
        run.id,
        # Another eye may have said more of it: its role, its checks, why.
        [replace(known.get(one.identity, one), seen=one.seen) for one in found],
        looked_at=[],
        roles=(),
        now=utc_now(),
    )
    coverage = {host: _coverage(run.store, host) for host in selection.hosts}
    hosts = [
        summed_up(host, sightings, coverage[host], tuple(why[host]), seconds)
        for host in selection.hosts
    ]
    run.store.drift.set_hosts(run.id, hosts)
    return Drift(run.id, tuple(hosts), tuple(sightings), coverage)


def _coverage(store: Store, host: str) -> Coverage:
    """Of the objects that were accepted, those that a quick look compares."""
    baseline = readable_baseline(store, host)
    objects = baseline.objects if baseline else {}
    slow = sum(len(named) for kind, named in objects.items() if kind in SLOW)
    return Coverage(sum(map(len, objects.values())) - slow, 0, 0, slow, 0)
