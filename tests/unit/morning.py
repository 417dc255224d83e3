"""An environment on a morning on which all is well, for tests that break one thing of it."""

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from report_store import HOSTS, NOW, Desk, desk_of, everywhere

from orchestrator.backup.entries import Catalogue, Entry, directory_of
from orchestrator.backup.repositories import declared_repositories
from orchestrator.catalogue import Catalogue as Measures
from orchestrator.catalogue import load_catalogue
from orchestrator.certificates.live import Certificate, CertificateList
from orchestrator.certificates.memory import remember
from orchestrator.environment import Environment
from orchestrator.keys.key_store import clients_directory
from orchestrator.records import HostDrift, RunStatus, Sighting, TaskResult, TaskStatus, Verdict
from orchestrator.status import Status, status_of
from orchestrator.store import Store

CHECKED = {"at": (NOW - timedelta(days=3)).isoformat(), "damaged": []}
CERTIFICATE = Certificate(
    host="rbx7", place="/etc/web.pem", subject="CN=web", issuer="CN=authority", serial="ff",
    names=(), key="EC 256", starts=NOW - timedelta(days=9), ends=NOW + timedelta(days=80),
    authority=False, used_by=(), faults=(),
)  # fmt: skip
SIGHTING = Sighting(
    identity="3f0a9c41d2b7", host="rbx7", kind="changed", object_kind="file", name="/etc/issue",
    eye="roles", severity=2, measures=(), seen="", role="ssh", checks=(), cause="unknown",
    because="",
)  # fmt: skip
INVENTORY = "3 hosts, 1200 packages, 0 programs of no package"


@dataclass
class Morning:
    """What is there to be looked at; each verb makes one part of it newer, or worse."""

    desk: Desk

    @property
    def environment(self) -> Environment:
        """The environment."""
        return self.desk.environment

    @property
    def store(self) -> Path:
        """The store's directory."""
        return self.environment.store_directory

    def declare(self, **other: Any) -> None:
        """Let the environment declare something else."""
        self.desk.environment = replace(self.environment, **other)

    def verify(self, verdict: Verdict = Verdict.HOLDS, days: float = 0, **other: Verdict) -> None:
        """A run that looks at everything; `other` is by host."""
        self.desk.run(everywhere(verdict, **other), days=days)

    def run(
        self,
        command: str,
        status: RunStatus = RunStatus.OK,
        message: str = "",
        results: tuple[TaskResult, ...] = (),
        drift: tuple[HostDrift, ...] = (),
        found: tuple[Sighting, ...] = (),
        hours: float = 2,
        **options: Any,
    ) -> None:
        """A run of another kind, which ended so many hours ago."""
        ended = NOW - timedelta(hours=hours)
        asked = {"hosts": list(HOSTS), "roles": [], **options}
        with Store.open(self.store, self.environment.name) as store:
            run = store.begin(
                command, who="nightly", control_node="admin", pid=os.getpid(), commit="0" * 40,
                options=asked, now=ended - timedelta(minutes=9),
            )  # fmt: skip
            store.add_results(run, results)
            if drift:
                store.drift.set_hosts(run, drift)
                store.drift.keep_sightings(run, found, looked_at=HOSTS, roles=(), now=ended)
            store.finish(run, status, message, ended)

    def drift(
        self, *found: Sighting, hours: float = 2, complete: bool = True, **options: Any
    ) -> None:
        """A look at all hosts, which finds this."""
        hosts = tuple(
            HostDrift(
                host, complete=complete, findings=len([one for one in found if one.host == host]),
                new=0, pending=0, accepted=0, blind=0, coverage=97.5, seconds=41.0,
                why=() if complete else ("no answer over SSH\nmore",),
            )
            for host in HOSTS
        )  # fmt: skip
        self.run("drift", drift=hosts, found=found, hours=hours, **options)

    def back_up(self, hours: float = 3, **catalogue: Any) -> None:
        """The catalogues, with one archive of every data set."""
        ended = NOW - timedelta(hours=hours)
        declared = declared_repositories(self.environment)
        for host in {one.host for one in declared}:
            mine = [one for one in declared if one.host == host]
            entries = [
                Entry(
                    one.name, f"{ended:%Y-%m-%dT%H:%M:%S.%f}Z", "f" * 64, ended.isoformat(), 100,
                    1000, 10, "a" * 64,
                )
                for one in mine
            ]  # fmt: skip
            file = directory_of(self.environment) / f"{host}.json"
            checks = {one.name: CHECKED for one in mine}
            given = {"asked": NOW - timedelta(hours=1), **catalogue}
            Catalogue(file, **{"entries": entries, "checks": checks, **given}).save()
        for one in declared:
            key = clients_directory(self.environment) / f"backup-keys/{one}.key"
            key.parent.mkdir(parents=True, exist_ok=True)
            key.touch()

    def test_restores(
        self,
        task: TaskStatus = TaskStatus.OK,
        status: RunStatus = RunStatus.OK,
        days: float = 9,
    ) -> None:
        """A restore test of every data set."""
        results = tuple(
            TaskResult(one.host, "", f"{one}: 200 files restored", "backup", status=task)
            for one in declared_repositories(self.environment)
        )
        self.run("backup test", status, results=results, hours=24 * days)

    def see_certificates(self, *found: Certificate, days: float = 1, missing: str = "") -> None:
        """A look at the certificates of all hosts but one that did not answer."""
        certificates = CertificateList(found, {missing: "no answer"} if missing else {})
        remember(self.environment, certificates, HOSTS, NOW - timedelta(days=days))

    def status(self, now: datetime = NOW) -> Status:
        """The state of it all."""
        return status_of(self.environment, max_age=timedelta(days=7), now=now)


def morning_of(directory: Path, patch: pytest.MonkeyPatch, *, well: bool = True) -> Morning:
    """A morning on which all is well, of a PAS of three measures; else one of nothing at all."""
    patch.setenv("XDG_STATE_HOME", str(directory / "state"))
    morning = Morning(desk_of(directory, patch))
    every = load_catalogue()
    measures = tuple(each for each in every if each.number in ("5.4.1", "5.5.2", "6.2.1"))
    patch.setattr("orchestrator.status.gather.load_catalogue",
                  lambda: Measures(every.chapters, measures))  # fmt: skip
    patch.setattr("orchestrator.status.gather.project_root", lambda: directory / "project")
    if well:
        morning.verify()
        morning.drift()
        morning.back_up()
        morning.test_restores()
        morning.see_certificates(CERTIFICATE)
        morning.run("vulns", message="0 open on 3 hosts, 0 decided on")
        morning.run("inventory", message=INVENTORY)
    return morning
