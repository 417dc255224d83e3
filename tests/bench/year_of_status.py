"""The morning after a year: `python tests/bench/year_of_status.py [DIRECTORY]`.

Makes the store of a year (365 nights, 3 hosts, the checks that there are, about 1,200 results a
night, drift each night, restore tests each month) and what lies beside it, and says how much time
of the processor `pas-infra status` takes. DIRECTORY keeps it, to be looked at with XDG_STATE_HOME.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from year_of_reports import NIGHTS, record_nights

if TYPE_CHECKING:
    from orchestrator.environment import Environment
    from orchestrator.store import Store

LARGEST_SECONDS, TIMES, RESULTS = 1.0, 5, 2  # results of each check: many have parameters


def make() -> None:
    """Everything that a year leaves, in the state directory of whoever calls."""
    from orchestrator.catalogue import check_measures
    from orchestrator.environment import load_environment
    from orchestrator.paths import project_root
    from orchestrator.store import Store

    environment = load_environment("lab")
    hosts = [host.name for host in environment.hosts]
    marks: dict[str, dict[tuple[str, str], set[str]]] = {"hosts": {}, "registers": {}}
    for kind, found in marks.items():
        for number, references in check_measures(project_root() / "tests" / kind).items():
            for one in references:
                name = f"{one.file.name}::{one.check.rpartition('::')[2]}"
                found.setdefault((name, one.title), set()).add(number)
    of_hosts, of_registers = (
        [(name, title, tuple(sorted(numbers))) for (name, title), numbers in found.items()]
        for found in marks.values()
    )
    checks = {**dict.fromkeys(hosts, of_hosts * RESULTS), environment.name: of_registers}
    rng = random.Random(7)  # noqa: S311 - the same one each time
    with Store.open(environment.store_directory, environment.name) as store:
        record_nights(store, hosts, checks, rng)
        for night in range(NIGHTS, -1, -1):
            then = datetime.now(UTC) - timedelta(days=night, hours=4)
            record_inventory(store, hosts, then)
            record_drift(store, hosts, then, rng)
        for month in range(12, -1, -1):
            record_operations(
                environment, store, datetime.now(UTC) - timedelta(days=30 * month + 2)
            )
    keep_backups(environment)


def record_drift(store: "Store", hosts: list[str], now: datetime, rng: random.Random) -> None:
    """A look of drift, which mostly finds nothing."""
    from orchestrator.records import HostDrift, RunStatus, Sighting

    found = [
        Sighting(
            identity=f"{rng.getrandbits(48):012x}", host=host, kind="changed", object_kind="file",
            name=f"/etc/{rng.getrandbits(16)}", eye="roles", severity=2, measures=("5.5.2",),
            seen="-a\n+b", role="ssh", checks=(), cause="corrective", because="nobody knows",
        )
        for host in hosts if rng.random() < 0.1
    ]  # fmt: skip
    run = store.begin("drift", who="nightly", control_node="admin", pid=1, commit="0" * 40,
                      options={"hosts": hosts, "roles": []}, now=now)  # fmt: skip
    counts = {host: sum(one.host == host for one in found) for host in hosts}
    store.drift.set_hosts(run, [
        HostDrift(host, complete=True, findings=count, new=count, pending=0, accepted=0, blind=9,
                  coverage=97.0, seconds=60.0)
        for host, count in counts.items()
    ])  # fmt: skip
    store.drift.keep_sightings(run, found, looked_at=hosts, roles=(), now=now)
    store.finish(run, RunStatus.FINDINGS if found else RunStatus.OK, "", now)


def record_inventory(store: "Store", hosts: list[str], now: datetime) -> None:
    """An inventory that finds all as declared."""
    from orchestrator.records import RunStatus

    run = store.begin("inventory", who="nightly", control_node="admin", pid=1, commit="0" * 40,
                      options={"hosts": hosts}, now=now)  # fmt: skip
    message = f"{len(hosts)} hosts, 1236 packages, 0 programs of no package"
    store.finish(run, RunStatus.OK, message, now)


def record_operations(environment: "Environment", store: "Store", now: datetime) -> None:
    """A restore test of every data set, and a watch for vulnerabilities."""
    from orchestrator.backup.repositories import declared_repositories
    from orchestrator.records import RunStatus, TaskResult, TaskStatus

    names = [(one.host, str(one)) for one in declared_repositories(environment)]
    hosts = [host.name for host in environment.hosts]
    for command, message in (("backup test", ""), ("vulns", "7 open on 3 hosts, 5 decided on")):
        options = {"hosts": hosts, "sets": [name for _, name in names]}
        run = store.begin(command, who="nightly", control_node="admin", pid=1, commit="0" * 40,
                          options=options, now=now)  # fmt: skip
        if command == "backup test":
            store.add_results(run, [
                TaskResult(host, "", f"{name}: 200 files restored in 4.1 s, 0 differ", "backup",
                           TaskStatus.OK)
                for host, name in names
            ])  # fmt: skip
        store.finish(run, RunStatus.FINDINGS if message else RunStatus.OK, message, now)


def keep_backups(environment: "Environment") -> None:
    """The catalogues of archives, one of them a day late, and the keys in escrow."""
    from orchestrator.backup.entries import Catalogue, Entry, directory_of
    from orchestrator.backup.repositories import declared_repositories
    from orchestrator.keys.key_store import clients_directory

    declared = declared_repositories(environment)
    template = Entry("", "", "f" * 64, "", 4000, 10**9, 10**7, "a" * 64)
    for late, host in enumerate(dict.fromkeys(one.host for one in declared)):
        nights = [datetime.now(UTC) - timedelta(days=night + late, hours=5) for night in range(60)]
        mine = [one.name for one in declared if one.host == host]
        entries = [
            replace(template, set=name, archive=f"{at:%Y-%m-%dT%H:%M:%S.%f}Z", ended=at.isoformat())
            for name in mine for at in nights
        ]  # fmt: skip
        checked = {"at": nights[3].isoformat(), "damaged": []}
        Catalogue(
            directory_of(environment) / f"{host}.json",
            entries,
            dict.fromkeys(mine, checked),
            asked=datetime.now(UTC) - timedelta(minutes=50),
        ).save()
    for one in declared:
        key = clients_directory(environment) / f"backup-keys/{one}.key"
        key.parent.mkdir(parents=True, exist_ok=True)
        key.touch()


def measure() -> int:
    """Of several times the best: what else the machine does is no time of the program's."""
    used = []
    for _ in range(TIMES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", "status"], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(done.stdout)
    started = time.process_time()
    sum(range(10**7))
    print(
        f"best of {TIMES}: {min(used):.2f} s of processor time, worst {max(used):.2f} s, exit "
        f"{done.returncode}; the machine adds ten million numbers in "
        f"{time.process_time() - started:.2f} s"
    )
    return int(min(used) > LARGEST_SECONDS)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        state = sys.argv[1] if len(sys.argv) > 1 else name
        os.environ["XDG_STATE_HOME"] = state
        make()
        (store,) = Path(state).rglob("pas-infra.sqlite")
        print(f"{store}: {store.stat().st_size / 1e6:.0f} MB")
        return measure()


if __name__ == "__main__":
    sys.exit(main())
