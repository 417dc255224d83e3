"""Verify that a bundle says what was recorded, and nothing else."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.evidence import archive, signature
from orchestrator.evidence.bundle import (
    MANIFEST,
    MEASURES,
    SIGNATURE,
    SUMS,
    Manifest,
    parse_sha256sums,
    record_name,
    run_of_record,
    sum_of,
)
from orchestrator.evidence.examine import (
    CHAIN,
    SLACK,
    chain_findings,
    moment,
    run_findings,
    superseded,
)
from orchestrator.evidence.finding import Finding, once
from orchestrator.evidence.measures import AsOf
from orchestrator.evidence.record import Examined, Original, read_record
from orchestrator.evidence.said import RESULTS, measures_findings, results_findings
from orchestrator.evidence.verified import Verified, following
from orchestrator.store.chain import Link
from orchestrator.store.timestamps import timestamp

_CLOCKS_APART = timedelta(hours=1)  # the auditor's and the control node's, at most
_MANY = 100_000  # runs that go on, or are missing: no store has so many
_REQUIRED = (SUMS, SIGNATURE, MANIFEST, CHAIN, MEASURES)


class _NoChain(Exception):
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


@dataclass(frozen=True)
class _Read:
    """A bundle that was read once: the sums of its files, and the content of those in `kept`."""

    file: Path
    sums: Mapping[str, str]
    kept: Mapping[str, bytes]


def verify_bundle(
    file: Path, allowed_signers: Path | None, after: Path | None, now: datetime
) -> Verified:
    """Verify a bundle, without its store; with `after`, that it follows that one without a gap.

    Raises PasInfraError for what cannot be read as a bundle at all.
    """
    try:
        read = _read(file)
    except archive.Trick as trick:
        return Verified(file, (Finding(trick.name or file.name, trick.what),))
    if missing := [name for name in _REQUIRED if name not in read.sums]:
        return Verified(file, tuple(Finding(name, "the file is missing") for name in missing))
    try:
        manifest = Manifest.parse(read.kept[MANIFEST])
    except ValueError as error:
        return Verified(file, (Finding(MANIFEST, str(error)),))
    signed = signature.check(read.kept[SUMS], read.kept[SIGNATURE], allowed_signers, manifest.made)
    findings = [Finding(SIGNATURE, signed.fault)] if signed.fault else []
    try:
        links = _links(read.kept[CHAIN])
    except _NoChain as error:
        return Verified(file, (*findings, error.finding), (), manifest, signed.key, signed.signer)
    records: list[Examined] = []
    faults = [
        *chain_findings(links, manifest.after.link, manifest.after.position + 1),
        *_record_findings(read, links, records, kept_in(after)),
    ]
    place = {one.link.run: record_name(one.link.run) for one in records}
    faults += run_findings(records, manifest.environment, place)
    faults += _manifest_findings(manifest, links, now)
    findings += once(faults)
    findings += _file_findings(read, {finding.file for finding in findings})
    if not findings:
        as_of = AsOf.of(manifest.made, manifest.max_age_days)
        findings += measures_findings(read.kept[MEASURES], records, as_of)
        if RESULTS in read.kept:
            findings += results_findings(read.kept[RESULTS], read.kept[MEASURES], records, as_of)
    if after is not None:
        findings += following(manifest, links, verify_bundle(after, allowed_signers, None, now))
    return Verified(file, tuple(findings), tuple(links), manifest, signed.key, signed.signer)


def kept_in(bundle: Path | None) -> Original:
    """The records of a bundle, each read when it is asked for."""

    def original(run: int) -> str | None:
        if bundle is None:
            return None
        with suppress(archive.Trick):  # of which verifying that bundle tells
            for name, content in archive.read(bundle):
                if name.partition("/")[2] == record_name(run):
                    return content.decode("utf-8", "replace")
        return None

    return original


def _read(file: Path) -> _Read:
    sums: dict[str, str] = {}
    kept: dict[str, bytes] = {}
    for name, content in archive.read(file):
        inside = name.partition("/")[2]
        sums[inside] = sum_of(content)
        if inside in (*_REQUIRED, RESULTS):
            kept[inside] = content
    return _Read(file, sums, kept)


def _file_findings(read: _Read, told: set[str]) -> Iterator[Finding]:
    """The files that are not those of SHA256SUMS, apart from those of which more is told."""
    try:
        expected = parse_sha256sums(read.kept[SUMS])
    except ValueError as error:
        yield Finding(SUMS, str(error))
        return
    present = {name: sha256 for name, sha256 in read.sums.items() if name not in (SUMS, SIGNATURE)}
    for name in sorted({*expected, *present} - told):
        if name not in present:
            yield Finding(name, "the file is missing", None, run_of_record(name))
        elif name not in expected:
            yield Finding(name, "the file was added: SHA256SUMS does not know it")
        elif expected[name] != present[name]:
            yield Finding(name, "the file was changed: SHA256SUMS has another sum of it")


def _links(content: bytes) -> list[Link]:
    links = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        try:
            links.append(Link.parse(line))
        except ValueError as error:
            raise _NoChain(Finding(CHAIN, f"this is no link: {line[:120]}", number)) from error
    return links


def _record_findings(
    read: _Read, links: list[Link], into: list[Examined], original: Original
) -> Iterator[Finding]:
    gone = superseded(links)
    # A link that is there twice is told of once, with the chain.
    wanted = {record_name(link.run): link for link in links if link.position not in gone}
    for name, content in archive.read(read.file):
        inside = name.partition("/")[2]
        if run_of_record(inside) is None:
            continue
        link = wanted.pop(inside, None)
        if link is None:
            yield Finding(inside, "the record has no link: it was put in", 1, run_of_record(inside))
            continue
        text = content.decode("utf-8", "replace")
        yield from read_record(link, text, inside, into, original, spelt=True)
    for inside, link in wanted.items():
        yield Finding(inside, "the record is missing, its link is there", None, link.run)


def _manifest_findings(manifest: Manifest, links: list[Link], now: datetime) -> Iterator[Finding]:
    after, until = manifest.after, manifest.until
    last = max(links, key=lambda link: link.position, default=None)
    if last is None or (last.position, last.sha256) != (until.position, until.link):
        shown = f"link {last.position} {last.sha256}" if last else "nothing"
        yield Finding(
            MANIFEST,
            f"it ends with link {until.position} {until.link}, {CHAIN} with {shown}",
        )
    if manifest.links != len(links):
        yield Finding(MANIFEST, f"it counts {manifest.links} links, {CHAIN} has {len(links)}")
    if until.begun - after.begun > len(links) + _MANY:
        yield Finding(MANIFEST, f"it says that {until.begun} runs were begun")
        return
    begun = {*range(after.begun + 1, until.begun + 1), *after.running}
    for run in sorted(begun - {link.run for link in links} - set(until.running)):
        what = "it began and is nowhere: it was removed before the export"
        yield Finding(CHAIN, what, None, run)
    made = moment(manifest.made)
    if last and not moment(last.chained) - SLACK <= made <= now + _CLOCKS_APART:
        yield Finding(
            MANIFEST, f"it was made {manifest.made}, its last link is of {last.chained}, "
            f"now it is {timestamp(now)}: back-dated, or a clock is wrong"
        )  # fmt: skip
