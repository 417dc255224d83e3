"""Export: a signed bundle of all that was recorded, or of what was since the last one."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError, refusal
from orchestrator.evidence import archive, signature
from orchestrator.evidence.bundle import (
    FORM,
    MANIFEST,
    MEASURES,
    OSCAL,
    SIGNATURE,
    SUMS,
    Manifest,
    Mark,
    record_name,
    sha256sums,
    sum_of,
)
from orchestrator.evidence.documents import junit_of, oscal_documents, standings_in
from orchestrator.evidence.examine import CHAIN, EXPORT, moment, superseded
from orchestrator.evidence.measures import AsOf, measures_data
from orchestrator.evidence.record import Examined, examined
from orchestrator.evidence.verified import Verified
from orchestrator.evidence.verify import verify_bundle
from orchestrator.offboardings import directory_of
from orchestrator.operator import commit_of, control_node_name, current_operator
from orchestrator.paths import project_root
from orchestrator.records import RunStatus
from orchestrator.runs import Recorder, recorded, utc_now
from orchestrator.store import Store
from orchestrator.store.chain import FIRST, Link, canonical
from orchestrator.store.timestamps import timestamp

_START = Mark(0, FIRST, 0, ())
_CARRIED = ("LISEZMOI.md", "README.md", "verify.py")
_WRITTEN = (RunStatus.OK, RunStatus.FINDINGS)


@dataclass(frozen=True)
class Exported:
    """A bundle that was written: its file, SHA-256 and manifest, and what verifying it said."""

    file: Path
    sha256: str
    manifest: Manifest
    verified: Verified


@dataclass(frozen=True)
class _Scope:
    """What an export covers."""

    after: Mark
    until: Mark
    previous: Mark | None
    links: tuple[Link, ...]


def export(
    environment: Environment,
    key: Path,
    output: Path | None,
    *,
    since_last: bool,
    max_age: timedelta = timedelta(days=7),
) -> Exported:
    """Write a signed bundle, and verify it; the export is a run itself, for the next bundle.

    What no run has looked at for longer than `max_age`, in whole days, is unmeasured in it. Without
    `output` it is named after what it holds, in the current directory. Raises PasInfraError when
    there is no key, nothing to export, or no place for it; nothing is overwritten.
    """
    signature.require_key(key)
    with Store.open(environment.store_directory, environment.name) as store:
        store.mark_broken(utc_now())
        scope = _scope(store, since_last=since_last)
    name = f"evidence-{environment.name}-{scope.links[0].position}-{scope.until.position}"
    file = output or Path(f"{name}.tar.gz")
    _refuse_existing(file)
    options = {
        "since_last": since_last,
        "after": scope.after.position,
        "last": scope.until.as_data(),
    }
    with recorded(environment, EXPORT, options) as run:
        manifest = _manifest(environment, run, scope, max_age, utc_now())
        with tempfile.TemporaryDirectory() as scratch:
            sums = dict(_staged(environment, run.store, manifest, scope, Path(scratch)))
            _archive(file, Path(scratch), name, sums, key)
        sha256 = sum_of(file.read_bytes())
        verified = verify_bundle(file, None, None, utc_now())
        faults = len(verified.findings)
        run.end_with(
            RunStatus.FINDINGS if faults else RunStatus.OK,
            f"links {scope.links[0].position} to {scope.until.position}, bundle of SHA-256 {sha256}"
            + (f", {faults} findings" if faults else ""),
        )
    return Exported(file, sha256, manifest, verified)


def _scope(store: Store, *, since_last: bool) -> _Scope:
    try:
        previous = _last_mark(store)
    except PasInfraError:
        if since_last:
            raise
        previous = None
    after = previous if since_last and previous else _START
    with store.chain.at_one_moment():
        links, numbers = store.chain.links(after.position), store.chain.run_numbers()
    if not links:
        raise PasInfraError(
            f"nothing was recorded {'since the last bundle' if after.position else 'yet'}",
            where=store.path,
            next_step=f"see what there is: pas-infra history --env {store.environment}",
        )
    until = Mark(links[-1].position, links[-1].sha256, numbers.begun, numbers.running)
    return _Scope(after, until, previous, tuple(links))


def _last_mark(store: Store) -> Mark | None:
    for run in store.runs(-1, EXPORT):  # all of them
        if run.status in _WRITTEN:
            options: dict[str, Any] = {**run.options}
            try:
                return Mark.from_data(options["last"])
            except (LookupError, TypeError, ValueError) as error:
                raise PasInfraError(
                    f"what run {run.id} says of the last bundle was changed",
                    where=store.path,
                    next_step="pas-infra evidence verify names it; then export all, without "
                    "--since-last",
                ) from error
    return None


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise PasInfraError(
            "there is such a file already, and evidence is never overwritten",
            where=file,
            next_step="name another one with --output",
        )


def _manifest(
    environment: Environment, run: Recorder, scope: _Scope, max_age: timedelta, now: datetime
) -> Manifest:
    first = scope.links[0]
    record = examined(first, run.store.chain.record(first) or "")
    return Manifest(
        form=FORM,
        tool=f"pas-infra {__version__}",
        environment=environment.name,
        control_node=control_node_name(),
        who=current_operator(),
        commit=commit_of(project_root()),
        made=timestamp(now),
        run=run.id,
        started=record.run["started"] if record else "",
        ended=scope.links[-1].chained,
        links=len(scope.links),
        after=scope.after,
        until=scope.until,
        previous_bundle=scope.previous,
        max_age_days=max_age.days,
    )


def _staged(
    environment: Environment, store: Store, manifest: Manifest, scope: _Scope, to: Path
) -> Iterator[tuple[str, str]]:
    """Put the bundle's files below `to`, one after the other; the name and the sum of each."""

    def put(name: str, content: bytes) -> tuple[str, str]:
        file = to / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        return name, sum_of(content)

    records: list[Examined] = []
    gone = superseded(scope.links)
    for link in scope.links:
        text = None if link.position in gone else store.chain.record(link)
        if text is None:
            continue
        yield put(record_name(link.run), text.encode())
        if one := examined(link, text):
            records.append(one)
            if page := junit_of(one):
                yield put(f"junit/run-{link.run:06d}.xml", page.encode())
    yield put(CHAIN, "".join(f"{link.line}\n" for link in scope.links).encode())
    as_of = AsOf(moment(manifest.made), timedelta(days=manifest.max_age_days))
    found = standings_in(environment, records, as_of)
    yield put(MEASURES, f"{canonical(measures_data(found, records, as_of))}\n".encode())
    oscal = oscal_documents(environment, found, records, as_of, manifest.ended)
    for name, content in oscal.items():
        yield put(f"{OSCAL}{name}", content)
    yield put(MANIFEST, f"{canonical(manifest.as_data())}\n".encode())
    for name in _CARRIED:
        yield put(name, (files("orchestrator.evidence") / "carried" / name).read_bytes())
    for file in sorted(directory_of(environment).glob("[a-z]*.certificate.*")):
        yield put(f"certificates/{file.name}", file.read_bytes())
    for file in sorted((environment.directory / "registers").glob("[a-z]*.yml")):
        yield put(f"registers/{file.name}", file.read_bytes())


def _archive(file: Path, staged: Path, top: str, sums: dict[str, str], key: Path) -> None:
    content = sha256sums(sums)
    signed = signature.sign(content, key)

    def members() -> Iterator[tuple[str, bytes]]:
        yield f"{top}/{SUMS}", content
        yield f"{top}/{SIGNATURE}", signed
        for name in sorted(sums):
            yield f"{top}/{name}", (staged / name).read_bytes()

    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise refusal(error) from error
    try:
        with os.fdopen(descriptor, "wb") as opened:
            archive.write(opened, members())
    except BaseException:
        file.unlink()  # half a bundle is none
        raise
