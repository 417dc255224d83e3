"""What the runs said of checks, over many runs at once.

A part of `Store` that lies apart: it reads through it and writes nothing.
"""

import json
from collections.abc import Collection, Mapping

from orchestrator.records import CheckResult, Verdict
from orchestrator.store.store import Store


def last_looks(store: Store, since: int = 0) -> list[tuple[int, CheckResult]]:
    """Each check of each host as the last run that looked at it left it, with that run's id.

    Runs before `since` are left out. A check that ran with several parameters has one result for
    each of them.
    """
    latest = {
        (row["host"], row["name"]): row["run_id"]
        for row in store._select(
            "SELECT host, name, max(run_id) AS run_id FROM checks WHERE run_id >= ?"
            " GROUP BY host, name",
            since,
        )
    }
    return [
        (run_id, check)
        for run_id in sorted(set(latest.values()))
        for check in store.checks(run_id)
        if latest[check.host, check.check] == run_id
    ]


def verdicts_of(store: Store, run_ids: Collection[int]) -> dict[int, dict[str, set[Verdict]]]:
    """Of each run the verdicts that it gave on each measure, as its checks were marked then."""
    found: dict[int, dict[str, set[Verdict]]] = {run_id: {} for run_id in run_ids}
    numbers: dict[str, list[str]] = {}
    for row in store._select(
        "SELECT DISTINCT run_id, measures, verdict FROM checks"
        " WHERE run_id IN (SELECT value FROM json_each(?))",
        json.dumps(list(run_ids)),
    ):
        written = row["measures"]
        if written not in numbers:  # few differ, among very many rows
            numbers[written] = json.loads(written)
        for number in numbers[written]:
            found[row["run_id"]].setdefault(number, set()).add(Verdict(row["verdict"]))
    return found


def hosts_seen(store: Store, run_ids: Collection[int]) -> Mapping[int, set[str]]:
    """Of each run the hosts that its checks have results of."""
    found: dict[int, set[str]] = {run_id: set() for run_id in run_ids}
    for row in store._select(
        "SELECT DISTINCT run_id, host FROM checks WHERE run_id IN (SELECT value FROM json_each(?))",
        json.dumps(list(run_ids)),
    ):
        found[row["run_id"]].add(row["host"])
    return found


def last_runs_by_host(
    store: Store, run_ids: Collection[int], hosts: Collection[str]
) -> dict[str, int]:
    """Of these runs the last one that has results of each of the hosts."""
    found: dict[str, int] = {}
    # The newest has mostly seen all: asking for every run would read every result of a year.
    for run_id in sorted(run_ids, reverse=True):
        if len(found) == len(hosts):
            break
        for host in hosts_seen(store, [run_id])[run_id] & set(hosts):
            found.setdefault(host, run_id)
    return found
