"""A small store, bundles of it, and the hands of a forger, for the tests of evidence."""

import gzip
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from orchestrator.environment import Environment
from orchestrator.evidence import archive, signature
from orchestrator.evidence.bundle import (
    MANIFEST,
    SIGNATURE,
    SUMS,
    record_name,
    run_of_record,
    sha256sums,
    sum_of,
)
from orchestrator.evidence.examine import CHAIN
from orchestrator.evidence.said import RESULTS
from orchestrator.records import (
    CheckResult,
    HostRecap,
    RunStatus,
    TaskResult,
    TaskStatus,
    Verdict,
)
from orchestrator.store import Store
from orchestrator.store.chain import Link, canonical, line_sum, sha256_of

NOW = datetime(2026, 3, 1, 22, 15, 30, tzinfo=UTC)
# The runs are of a fixed day, the bundles of today: their looks are to count all the same.
AGES = timedelta(days=36500)


def make_key(file: Path) -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file)]
    subprocess.run(command, check=True)
    return file


def allow(file: Path, key: Path, options: str = 'namespaces="evidence@pas-infra"') -> Path:
    public = key.with_suffix(".pub").read_text()
    file.write_text(f"auditee@example.org {options} {public}")
    return file


def small_environment(directory: Path, name: str = "lab") -> Environment:
    (directory / "inventory" / "registers").mkdir(parents=True)
    register = directory / "inventory" / "registers" / "access_reviews.yml"
    register.write_text("- {date: 2026-02-01, by: alice}\n")
    made = SimpleNamespace(
        name=name,
        kind="production",
        store_directory=directory / "store",
        directory=directory / "inventory",
        hosts=(),
        waivers=(),
        pas_document=None,
    )
    return cast(Environment, made)


def begin(
    store: Store,
    command: str,
    minutes: int,
    *,
    pid: int | None = None,
    options: Mapping[str, object] | None = None,
) -> int:
    return store.begin(
        command,
        who="alice",
        control_node="admin1",
        pid=os.getpid() if pid is None else pid,
        commit="0123abc",
        options=options or {"limit": ["rbx7"], "nom": "Élise"},
        now=NOW + timedelta(minutes=minutes),
    )


def check(host: str, name: str, verdict: Verdict, message: str = "") -> CheckResult:
    return CheckResult(host, f"test_ssh.py::{name}", name, ("6.2.1",), verdict, message, 0.5)


def task(host: str, name: str, status: TaskStatus = TaskStatus.OK) -> TaskResult:
    return TaskResult(host, "ssh", name, "copy", status, ("6.2.1",), message="é", duration=1.0)


def end(store: Store, run: int, minutes: int, status: RunStatus = RunStatus.OK) -> None:
    store.finish(run, status, "", NOW + timedelta(minutes=minutes))


def record_some(store: Store, at: int = 0) -> None:
    """Three runs: an apply, a verify with a failure, and one that died; ten minutes each."""
    run = begin(store, "apply", at)
    store.add_results(run, [task(h, f"task {n}") for h in ("rbx7", "sysfab") for n in range(3)])
    store.set_recap(run, {"rbx7": HostRecap(ok=3), "sysfab": HostRecap(ok=3)})
    end(store, run, at + 5)
    run = begin(store, "verify", at + 10)
    store.add_checks(run, [check("rbx7", name, Verdict.HOLDS) for name in ("a", "b", "c")])
    store.add_checks(run, [check("rbx7", "root_is_out", Verdict.FAILS, "permitrootlogin is yes")])
    store.add_checks(run, [check("sysfab", name, Verdict.HOLDS) for name in ("a", "b")])
    end(store, run, at + 15, RunStatus.FINDINGS)
    with subprocess.Popen(["true"]) as gone:
        begin(store, "plan", at + 20, pid=gone.pid)
    store.mark_broken(NOW + timedelta(minutes=at + 25))


@dataclass
class Forger:
    """A bundle in a forger's hands: its files by name, and what puts them back together."""

    files: dict[str, bytes]
    top: str
    extra: list[tuple[str, bytes]] = field(default_factory=list)
    repack: Callable[[bytes], bytes] | None = None

    @classmethod
    def of(cls, file: Path) -> "Forger":
        members = list(archive.read(file))
        top = members[0][0].partition("/")[0]
        return cls({name.partition("/")[2]: content for name, content in members}, top)

    def edit(self, name: str, old: str, new: str, count: int = 1) -> "Forger":
        text = self.files[name].decode()
        assert old in text, f"{name} has no {old}"
        self.files[name] = text.replace(old, new, count).encode()
        return self

    def lines(self, name: str) -> list[str]:
        return self.files[name].decode().splitlines()

    def put(self, name: str, lines: list[str]) -> "Forger":
        self.files[name] = "".join(f"{line}\n" for line in lines).encode()
        return self

    def resum_lines(self, run: int) -> "Forger":
        """Let the first line of a record fit the others."""
        first, *lines = self.lines(record_name(run))
        data = json.loads(first)
        data["lines"] = "".join(map(line_sum, lines))
        return self.put(record_name(run), [canonical(data), *lines])

    def edit_run(self, run: int, **columns: Any) -> "Forger":
        first, *lines = self.lines(record_name(run))
        data = json.loads(first)
        data["run"] |= columns
        return self.put(record_name(run), [canonical(data), *lines])

    def edit_manifest(self, **facts: Any) -> "Forger":
        data = json.loads(self.files[MANIFEST]) | facts
        self.files[MANIFEST] = f"{canonical(data)}\n".encode()
        return self

    def edit_result(self, measure: str, verdict: str, state: str) -> "Forger":
        """Change what OSCAL's finding says of a measure."""
        data = json.loads(self.files[RESULTS])
        for one in data["assessment-results"]["results"][0]["findings"]:
            if one["target"]["target-id"] == f"pas-{measure}_smt":
                one["props"][0]["value"] = verdict
                one["target"]["status"]["state"] = state
        self.files[RESULTS] = json.dumps(data).encode()
        return self

    def rechain(self, **changes: dict[int, Any]) -> "Forger":
        """Calculate the whole chain anew; `changes` are of the links, by run, e.g. chained={2: …}.

        Links whose record is gone go with it.
        """
        manifest = json.loads(self.files[MANIFEST])
        position, previous = manifest["after"]["position"], manifest["after"]["link"]
        chain = []
        for line in self.lines(CHAIN):
            old = Link.parse(line)
            if record_name(old.run) not in self.files:
                continue
            position += 1
            record = sha256_of(self.files[record_name(old.run)].decode())
            own = {name: of[old.run] for name, of in changes.items() if old.run in of}
            link = replace(old, position=position, previous=previous, record=record, **own)
            link = replace(link, sha256=sha256_of(link.payload))
            previous = link.sha256
            chain.append(link)
        self.put(CHAIN, [link.line for link in chain])
        until = manifest["until"] | {"position": position, "link": previous}
        return self.edit_manifest(until=until, links=len(chain))

    def rehash(self) -> "Forger":
        """Let SHA256SUMS fit the files."""
        sums = {n: sum_of(c) for n, c in self.files.items() if n not in (SUMS, SIGNATURE)}
        self.files[SUMS] = sha256sums(sums)
        return self

    def resign(self, key: Path) -> "Forger":
        self.rehash()
        self.files[SIGNATURE] = signature.sign(self.files[SUMS], key)
        return self

    def write(self, to: Path) -> Path:
        named = [(f"{self.top}/{name}", content) for name, content in self.files.items()]
        with to.open("wb") as opened:
            archive.write(opened, [*named, *self.extra])
        if self.repack:
            to.write_bytes(gzip.compress(self.repack(gzip.decompress(to.read_bytes()))))
        return to

    def tar(self, change: Callable[[bytes], bytes]) -> "Forger":
        """Change the archive's own bytes."""
        self.repack = change
        return self

    def add(self, name: str, content: bytes) -> "Forger":
        """Put a member behind the others, whatever its name."""
        self.extra.append((name, content))
        return self


def records_of(forger: Forger) -> Iterator[int]:
    for name in forger.files:
        if (run := run_of_record(name)) is not None:
            yield run


def line_of(forger: Forger, run: int, text: str) -> int:
    """The line of a run's record that has this text, 1-based."""
    lines = forger.lines(record_name(run))
    return next(n for n, line in enumerate(lines, start=1) if re.search(text, line))
