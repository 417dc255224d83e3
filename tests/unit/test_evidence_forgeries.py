"""Each way to forge a bundle or a store that was thought of, and what verifying says of it."""

import gzip
import io
import json
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from evidence_forger import (
    AGES,
    Forger,
    allow,
    begin,
    end,
    line_of,
    make_key,
    record_some,
    small_environment,
)

from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.evidence import export, verify_bundle, verify_store
from orchestrator.evidence.bundle import MANIFEST, MEASURES, SIGNATURE, SUMS
from orchestrator.evidence.examine import CHAIN
from orchestrator.evidence.said import RESULTS
from orchestrator.exit_codes import ExitCode
from orchestrator.store import Store
from orchestrator.store.chain import canonical

VERIFY = "records/run-000002.jsonl"  # the run with a failure
APPLY = "records/run-000001.jsonl"


@dataclass(frozen=True)
class World:
    """A store of seven runs and three bundles of it, each beginning where the last ended."""

    environment: Environment
    first: Path
    second: Path  # since the first
    third: Path  # since the second
    all: Path
    key: Path
    mallory: Path
    signers: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    directory = tmp_path_factory.mktemp("evidence")
    environment = small_environment(directory)
    key, mallory = make_key(directory / "key"), make_key(directory / "mallory")
    with Store.open(environment.store_directory, "lab") as store:
        record_some(store)
    bundles = [directory / f"{name}.tar.gz" for name in ("first", "second", "third", "all")]
    for number, bundle in enumerate(bundles):
        export(environment, key, bundle, since_last=0 < number < 3, max_age=AGES)
    signers = allow(directory / "allowed_signers", key)
    first, second, third, everything = bundles
    return World(environment, first, second, third, everything, key, mallory, signers)


def now() -> datetime:
    return datetime.now(UTC)


def swap(lines: list[str], one: int, other: int) -> list[str]:
    """Exchange two lines, 1-based."""
    lines[one - 1], lines[other - 1] = lines[other - 1], lines[one - 1]
    return lines


def swapped_hosts(forger: Forger) -> Forger:
    forger.edit(APPLY, '"host":"rbx7"', '"host":"other"', 3)
    forger.edit(APPLY, '"host":"sysfab"', '"host":"rbx7"', 3)
    return forger.edit(APPLY, '"host":"other"', '"host":"sysfab"', 3)


def verdict(forger: Forger) -> Forger:
    return forger.edit(VERIFY, '"verdict":"fails"', '"verdict":"holds"')


def without_failure(forger: Forger) -> Forger:
    return forger.put(VERIFY, [line for line in forger.lines(VERIFY) if '"fails"' not in line])


def without_run(forger: Forger, run: int) -> Forger:
    del forger.files[f"records/run-{run:06d}.jsonl"]
    forger.files.pop(f"junit/run-{run:06d}.xml", None)
    return forger


def without(forger: Forger, name: str) -> Forger:
    del forger.files[name]
    return forger


def with_file(forger: Forger, name: str, content: bytes) -> Forger:
    forger.files[name] = content
    return forger


def without_finding(forger: Forger, measure: str) -> Forger:
    data = json.loads(forger.files[RESULTS])
    (result,) = data["assessment-results"]["results"]
    result["findings"] = [f for f in result["findings"] if not f["title"].startswith(measure)]
    return with_file(forger, RESULTS, json.dumps(data).encode())


def after_line(lines: list[str], number: int, line: str) -> list[str]:
    return [*lines[:number], line, *lines[number:]]


def spelt(forger: Forger, key: Path, old: str, new: str) -> Forger:
    """By whoever has the key: another spelling, everything calculated anew and signed."""
    return forger.edit(VERIFY, old, new).resum_lines(2).rechain().resign(key)


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> Callable[[bytes], bytes]:
    """Put a member before the others, with a header as tarfile writes it."""

    def change(packed: bytes) -> bytes:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode = kind, target, 0o644
        return info.tobuf(tarfile.USTAR_FORMAT) + packed

    return change


def less_than_nothing(name: str) -> Callable[[bytes], bytes]:
    """Put a member before the others that claims a negative size, as only GNU's format can."""
    info = tarfile.TarInfo(name)
    info.size = -1
    return lambda packed: info.tobuf(tarfile.GNU_FORMAT) + packed


def as_tar_does(forger: Forger) -> Callable[[bytes], bytes]:
    """The same files, packed by somebody else: owner, modes and times are theirs."""

    def change(_: bytes) -> bytes:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as other:
            for name, content in forger.files.items():
                info = tarfile.TarInfo(f"{forger.top}/{name}")
                info.size, info.uname = len(content), "mallory"
                other.addfile(info, io.BytesIO(content))
        return made.getvalue()

    return change


Forge = Callable[[Forger, World], Forger]
# What was done, and all that is said of it, in order: no more. `{}` is the failure's line.
BUNDLE: dict[str, tuple[Forge, list[str]]] = {
    "verdict edited": (
        lambda f, w: verdict(f),
        [r"run-000002.jsonl:{}: run 2: this line was changed.*root_is_out · holds"],
    ),
    "verdict edited, files hashed anew": (
        lambda f, w: verdict(f).rehash(),
        [r"SHA256SUMS.sig: it is no signature of this file",
         r"run-000002.jsonl:{}: run 2: this line was changed.*root_is_out · holds"],
    ),
    "verdict edited, chain calculated anew, files hashed anew": (
        lambda f, w: verdict(f).resum_lines(2).rechain().rehash(),
        [r"SHA256SUMS.sig: it is no signature of this file"],
    ),
    "verdict edited, sums of lines calculated anew": (
        lambda f, w: verdict(f).resum_lines(2),
        [r"run-000002.jsonl:1: run 2: the run's own line was changed"],
    ),
    "failure removed": (
        lambda f, w: without_failure(f),
        [r"run-000002.jsonl:4: run 2: a line is missing after this one \(number 5\)"],
    ),
    "line put in": (
        lambda f, w: f.put(VERIFY, after_line(
            f.lines(VERIFY), 2, f.lines(VERIFY)[1].replace('::a"', '::new"'))),
        [r"run-000002.jsonl:3: run 2: this line was inserted: check .*::new"],
    ),
    "line duplicated": (
        lambda f, w: f.put(VERIFY, after_line(f.lines(VERIFY), 4, f.lines(VERIFY)[1])),
        [r"run-000002.jsonl:5: run 2: this line was inserted, a copy of line 2: check .*::a"],
    ),
    "lines moved": (
        lambda f, w: f.put(VERIFY, swap(f.lines(VERIFY), 2, 4)),
        [r"run-000002.jsonl:2: run 2: the lines 2, 4 were put into another order"],
    ),
    "hosts swapped": (
        lambda f, w: swapped_hosts(f),
        [r"run-000001.jsonl:2: run 1: the lines 2, 3, 4, 5, 6, 7 were put into another order"],
    ),
    "status of the run edited": (
        lambda f, w: f.edit_run(2, status="ok"),
        [r"run-000002.jsonl:1: run 2: the run's own line was changed.* · ok · "],
    ),
    "status of the run edited, by who can sign": (
        lambda f, w: f.edit_run(2, status="ok").rechain().resign(w.key),
        [r"run-000002.jsonl:1: run 2: it ended ok, its link says findings"],
    ),
    "record removed": (
        lambda f, w: without(f, VERIFY), [r"run-000002.jsonl: run 2: the record is missing"]
    ),
    "record removed with its link, by who can sign": (
        lambda f, w: without_run(f, 2).rechain().resign(w.key),
        [r"chain.txt: run 2: it began and is nowhere: it was removed before the export"],
    ),
    "record exchanged for another run's": (
        lambda f, w: with_file(f, VERIFY, f.files[APPLY]).rechain().resign(w.key),
        [r"run-000002.jsonl:1: run 2: it is the record of run 1"],
    ),
    "record duplicated": (
        lambda f, w: with_file(f, "records/run-000099.jsonl", f.files[VERIFY]),
        [r"run-000099.jsonl:1: run 99: the record has no link"],
    ),
    "run of another environment, by who can sign": (
        lambda f, w: f.edit_run(1, environment="production").rechain().resign(w.key),
        [r"run-000001.jsonl:1: run 1: it is of the environment production"],
    ),
    "back-dated run, by who can sign": (
        lambda f, w: f.edit_run(2, started="2026-01-01T00:00:00Z").rechain().resign(w.key),
        [r"run-000002.jsonl:1: run 2: it started 2026-01-01T00:00:00Z, before run 1.*back-dated"],
    ),
    "back-dated end, by who can sign": (
        lambda f, w: f.edit_run(2, ended="2026-03-01T22:26:00Z").rechain().resign(w.key),
        [r"run-000002.jsonl:1: run 2: it says that it ended .*22:26:00Z, its link .*22:30:30Z"],
    ),
    "end before the start, by who can sign": (
        lambda f, w: f.edit_run(1, ended="2026-02-01T00:00:00Z").rechain(
            chained={1: "2026-02-01T00:00:00Z"}).resign(w.key),
        [r"run-000001.jsonl:1: run 1: it ended .*, before it started"],
    ),
    "clock going backwards, by who can sign": (
        lambda f, w: f.rechain(chained={3: "2026-03-01T21:00:00Z"}).resign(w.key),
        [r"chain.txt:3: run 3: link 3 is of .*21:00:00Z, the one before it .*clock was set back"],
    ),
    "no time at all, by who can sign": (
        lambda f, w: f.edit_run(1, started="yesterday").rechain().resign(w.key),
        [r"run-000001.jsonl:1: run 1: it started `yesterday`, which is no time"],
    ),
    "links moved": (
        lambda f, w: f.put(CHAIN, swap(f.lines(CHAIN), 1, 2)),
        [r"chain.txt:1: run 2: the links were put into another order: lines 1 .*, 2 "],
    ),
    "link duplicated": (
        lambda f, w: f.put(CHAIN, after_line(f.lines(CHAIN), 3, f.lines(CHAIN)[2])),
        [r"chain.txt:4: run 3: link 3 is there once more", r"manifest.json: it counts 3 links"],
    ),
    "link removed": (
        lambda f, w: f.put(CHAIN, [line for line in f.lines(CHAIN) if " 2 2 " not in line]),
        [r"chain.txt:2: run 3: link 2 is missing before this one",
         r"run-000002.jsonl:1: run 2: the record has no link",
         r"manifest.json: it counts 3 links", r"chain.txt: run 2: it began and is nowhere"],
    ),
    "link edited": (
        lambda f, w: f.edit(CHAIN, " 2 2 findings ", " 2 2 ok "),
        [r"chain.txt:2: run 2: link 2 is not the SHA-256 of its line",
         r"run-000002.jsonl:1: run 2: it ended findings, its link says ok"],
    ),
    "link replaced": (
        lambda f, w: f.edit(CHAIN, f.lines(CHAIN)[1][:64], "f" * 64),
        [r"chain.txt:2: run 2: link 2 is not the SHA-256",
         r"chain.txt:3: run 3: link 3 does not follow the one before it"],
    ),
    "chain that is none": (
        lambda f, w: f.put(CHAIN, ["nothing", *f.lines(CHAIN)[1:]]),
        [r"chain.txt:1: this is no link: nothing"],
    ),
    "signature replaced": (
        lambda f, w: with_file(f, SIGNATURE, Forger({SUMS: f.files[SUMS]}, "").resign(
            w.mallory).files[SIGNATURE]),
        [r"SHA256SUMS.sig: it is no signature of this file"],
    ),
    "signature of another bundle": (
        lambda f, w: with_file(f, SIGNATURE, Forger.of(w.second).files[SIGNATURE]),
        [r"SHA256SUMS.sig: it is no signature of this file"],
    ),
    "signature removed": (
        lambda f, w: without(f, SIGNATURE), [r"SHA256SUMS.sig: the file is missing"]
    ),
    "signature that is none": (
        lambda f, w: with_file(f, SIGNATURE, b"signed: alice\n"),
        [r"SHA256SUMS.sig: it is no signature of this file"],
    ),
    "signer who is not allowed": (
        lambda f, w: f.resign(w.mallory), [r"SHA256SUMS.sig: its key SHA256:.* is not allowed"]
    ),
    "file added": (
        lambda f, w: with_file(f, "notes.txt", b"all is well\n"),
        [r"notes.txt: the file was added: SHA256SUMS does not know it"],
    ),
    "file removed": (
        lambda f, w: without(f, "registers/access_reviews.yml"),
        [r"registers/access_reviews.yml: the file is missing"],
    ),
    "register edited": (
        lambda f, w: f.edit("registers/access_reviews.yml", "alice", "bob"),
        [r"registers/access_reviews.yml: the file was changed"],
    ),
    "JUnit edited": (
        lambda f, w: f.edit("junit/run-000002.xml", "failure", "success"),
        [r"junit/run-000002.xml: the file was changed"],
    ),
    "manifest edited": (
        lambda f, w: f.edit_manifest(who="bob"), [r"manifest.json: the file was changed"]
    ),
    "manifest edited, files hashed anew": (
        lambda f, w: f.edit_manifest(who="bob").rehash(),
        [r"SHA256SUMS.sig: it is no signature of this file"],
    ),
    "manifest of another end, by who can sign": (
        lambda f, w: f.edit_manifest(links=2).resign(w.key),
        [r"manifest.json: it counts 2 links, chain.txt has 3"],
    ),
    "manifest back-dated, by who can sign": (
        lambda f, w: f.edit_manifest(made="2026-01-01T00:00:00Z").resign(w.key),
        [r"manifest.json: it was made 2026-01-01T00:00:00Z, its last link is of .*back-dated"],
    ),
    "manifest of a day to come, by who can sign": (
        lambda f, w: f.edit_manifest(made="2999-01-01T00:00:00Z").resign(w.key),
        [r"manifest.json: it was made 2999-01-01T00:00:00Z"],
    ),
    "manifest with a name twice": (
        lambda f, w: f.edit(MANIFEST, '"who":', '"who":"eve","who":').resign(w.key),
        [r"manifest.json: it is not in the one spelling"],
    ),
    "SHA256SUMS with a file twice": (
        lambda f, w: f.put(SUMS, [*f.lines(SUMS), f"{'0' * 64}  {CHAIN}"]),
        [r"SHA256SUMS.sig: it is no signature", r"SHA256SUMS: line \d+ is no sum of a file"],
    ),
    "measures edited, by who can sign": (
        lambda f, w: f.edit(MEASURES, '"state":"partly"', '"state":"kept"').resign(w.key),
        [r"measures.json: measure 6.2.1 is said to be kept, the records: partly"],
    ),
    "measure left out, by who can sign": (
        lambda f, w: f.put(MEASURES, [canonical([
            one for one in json.loads(f.files[MEASURES]) if one["measure"] != "6.2.1"
        ])]).resign(w.key),
        [r"measures.json: measure 6.2.1 is said to be nothing, the records: partly"],
    ),
    "looks said to be younger, by who can sign": (
        lambda f, w: f.edit_manifest(max_age_days=7).resign(w.key),
        [r"measures.json: measure 6.2.1 is said to be partly, the records: not kept",
         r"assessment-results.json: measure 6.2.1 is said to be partly \(not-satisfied\), the rec"],
    ),
    "OSCAL edited": (
        lambda f, w: f.edit_result("6.2.1", "kept", "satisfied"),
        [r"oscal/assessment-results.json: the file was changed"],
    ),
    "OSCAL of the measures edited": (
        lambda f, w: f.edit("oscal/catalog.json", "pas-1.1.1", "pas-1.2.1").edit(
            "oscal/component-definition.json", "pas-1.1.1", "pas-1.2.1"),
        [r"oscal/catalog.json: the file was changed", r"oscal/component-definition.json: the file"],
    ),
    "OSCAL edited, by who can sign": (
        lambda f, w: f.edit_result("6.2.1", "kept", "satisfied").resign(w.key),
        [r"results.json: measure 6.2.1 is said to be kept \(satisfied\), the records: partly"],
    ),
    "OSCAL satisfied where its verdict is none, by who can sign": (
        lambda f, w: f.edit_result("6.2.1", "partly", "satisfied").resign(w.key),
        [r"results.json: measure 6.2.1 is said to be partly \(satisfied\), the records: partly"],
    ),
    "OSCAL satisfied of what nobody has seen, by who can sign": (
        lambda f, w: f.edit_result("1.1.1", "kept", "satisfied").resign(w.key),
        [r"results.json: measure 1.1.1 is said to be kept \(satisfied\), the records: unmeasured"],
    ),
    "OSCAL's finding left out, by who can sign": (
        lambda f, w: without_finding(f, "6.2.1").resign(w.key),
        [r"results.json: measure 6.2.1 has no finding"],
    ),
    "OSCAL that is none, by who can sign": (
        lambda f, w: with_file(f, RESULTS, b"{}").resign(w.key),
        [r"results.json: these are no assessment results: KeyError\('assessment-results'\)"],
    ),
    "name twice in a line, by who can sign": (
        lambda f, w: spelt(f, w.key, '"verdict":"fails"', '"verdict":"fails","verdict":"fails"'),
        [r"run-000002.jsonl:{}: run 2: this may be read in two ways"],
    ),
    "number spelt otherwise, by who can sign": (
        lambda f, w: spelt(f, w.key, '"duration":0.5', '"duration":5e-1'),
        [r"run-000002.jsonl:2: run 2: this may be read in two ways"],
    ),
    "NaN, by who can sign": (
        lambda f, w: spelt(f, w.key, '"duration":0.5', '"duration":NaN'),
        [r"run-000002.jsonl:2: run 2: this may be read in two ways.*NaN"],
    ),
    "letter as an escape, by who can sign": (
        lambda f, w: spelt(f, w.key, '"fails"', '"f\\u0061ils"'),
        [r"run-000002.jsonl:{}: run 2: this may be read in two ways"],
    ),
    "letter that looks the same": (
        lambda f, w: f.edit(VERIFY, '"verdict":"fails"', '"verdict":"f\u0430ils"'),
        [r"run-000002.jsonl:{}: run 2: this line was changed"],
    ),
    "1 for 1.0": (
        lambda f, w: f.edit(APPLY, '"duration":1.0', '"duration":1'),
        [r"run-000001.jsonl:2: run 1: this line was changed"],
    ),
    "path out of the directory": (
        lambda f, w: f.tar(member(f"{f.top}/../../.ssh/authorized_keys")),
        [r"authorized_keys: its name could lead out"],
    ),
    "absolute path": (
        lambda f, w: f.tar(member("/etc/passwd")), [r"/etc/passwd: its name could lead out"]
    ),
    "symbolic link": (
        lambda f, w: f.tar(member(f"{f.top}/records", tarfile.SYMTYPE, "/etc")),
        [r"records: it is a symbolic link to /etc"],
    ),
    "hard link": (
        lambda f, w: f.tar(member(f"{f.top}/a", tarfile.LNKTYPE, "/etc/shadow")),
        [r"/a: it is a hard link to /etc/shadow"],
    ),
    "device": (
        lambda f, w: f.tar(member(f"{f.top}/a", tarfile.CHRTYPE)), [r"/a: it is of the type"]
    ),
    "file of less than nothing": (
        lambda f, w: f.tar(less_than_nothing(f"{f.top}/a")), [r"/a: it claims -1 bytes"]
    ),
    "extended header": (
        lambda f, w: f.tar(member(f"{f.top}/a", tarfile.XHDTYPE)),
        [r"/a: it is an extended header"],
    ),
    "name twice in the archive": (
        lambda f, w: f.add(f"{f.top}/{CHAIN}", b""),
        [r"chain.txt: the name is there twice"],
    ),
    "another directory in the archive": (
        lambda f, w: f.add("other/chain.txt", b""),
        [r"other/chain.txt: it does not lie below"],
    ),
    "second archive behind the end": (
        lambda f, w: f.tar(lambda packed: packed + packed),
        [r"there is something behind the end of the archive"],
    ),
    "packed again by somebody": (
        lambda f, w: f.tar(as_tar_does(f)), [r"SHA256SUMS: its header is not as it was exported"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgery", BUNDLE)
def test_a_forged_bundle_is_told_by_what_was_forged(
    world: World, tmp_path: Path, forgery: str
) -> None:
    forge, expected = BUNDLE[forgery]
    forger = Forger.of(world.first)
    line = line_of(forger, 2, '"fails"')
    file = forge(forger, world).write(tmp_path / "forged.tar.gz")
    verified = verify_bundle(file, world.signers, None, now())
    found = [str(finding) for finding in verified.findings]
    assert len(found) == len(expected), found
    for pattern, finding in zip(expected, found, strict=True):
        assert re.search(pattern.format(line), finding), finding
    assert verified.exit_code is ExitCode.FINDINGS


def test_the_bundles_as_they_were_exported_have_no_finding(world: World, tmp_path: Path) -> None:
    for bundle, before in (
        (world.first, None),
        (world.second, world.first),
        (world.third, world.second),
        (world.all, world.first),
        (world.all, world.third),
    ):
        verified = verify_bundle(bundle, world.signers, before, now())
        assert verified.findings == ()
        assert verified.signer == "auditee@example.org"
        assert verified.exit_code is ExitCode.OK
    same = Forger.of(world.first).write(tmp_path / "same.tar.gz")
    assert same.read_bytes() == world.first.read_bytes(), "the forger's tools change nothing else"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (lambda packed: packed[:-200], "it was cut off"),
        (lambda packed: packed[: len(packed) // 2], "it was cut off"),
        (lambda packed: gzip.compress(gzip.decompress(packed)[:-10000]), "it was cut off"),
        (lambda packed: b"PK\3\4" + packed, "no sound gzip file"),
        (lambda packed: gzip.compress(b"notes\n" * 1000), "no sound tar"),
        (lambda packed: b"", "it was cut off"),
        (lambda packed: packed[:-8] + b"\0" * 8, "no sound gzip file: CRC"),
    ],
)
def test_what_is_no_whole_bundle_is_unreadable(
    world: World, tmp_path: Path, content: Callable[[bytes], bytes], what: str
) -> None:
    file = tmp_path / "bundle.tar.gz"
    file.write_bytes(content(world.first.read_bytes()))
    with pytest.raises(PasInfraError, match=what) as caught:
        verify_bundle(file, world.signers, None, now())
    assert caught.value.exit_code is ExitCode.ERROR
    assert caught.value.where == str(file)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ('valid-before="20260301"', "is not allowed to sign .*expired"),
        ('valid-after="29990101"', "is not allowed to sign .*not yet valid"),
        ('namespaces="git"', "is not allowed to sign evidence"),
    ],
)
def test_a_key_that_may_not_sign_evidence_now_is_told(
    world: World, tmp_path: Path, options: str, what: str
) -> None:
    signers = allow(tmp_path / "signers", world.key, options)
    verified = verify_bundle(world.first, signers, None, now())
    assert [f.file for f in verified.findings] == [SIGNATURE]
    assert re.search(what, verified.findings[0].what), verified.findings


def recalculated(world: World) -> Forger:
    """Everything from the second run on, by who can sign."""
    forger = verdict(Forger.of(world.all)).edit(MEASURES, '"verdict":"fails"', '"verdict":"holds"')
    forger.edit(MEASURES, "partly", "kept").edit_result("6.2.1", "kept", "satisfied")
    return forger.resum_lines(2).rechain()


BETWEEN: dict[str, tuple[Callable[[World, Path], tuple[Path, Path]], str]] = {
    "a bundle is missing between": (
        lambda w, to: (w.third, w.first),
        r"chain.txt: links 4 to 4 are in neither bundle: one is missing",
    ),
    "chain calculated anew from the middle": (
        lambda w, to: (
            edited_exports(recalculated(w), w).resign(w.key).write(to),
            w.first,
        ),
        r"chain.txt: run 2: link 2, which first.tar.gz shows, is another one now",
    ),
    "another beginning": (
        lambda w, to: (
            Forger.of(w.second)
            .edit_manifest(after={"position": 3, "link": "f" * 64, "begun": 3, "running": []})
            .rechain()
            .resign(w.key)
            .write(to),
            w.first,
        ),
        r"chain.txt:1: it follows another link 3",
    ),
    "a run less to account for": (
        lambda w, to: (
            Forger.of(w.second)
            .edit_manifest(after=begins(w.second) | {"begun": 4})
            .resign(w.key)
            .write(to),
            w.first,
        ),
        r"manifest.json: it accounts for other runs than the bundle before it left open",
    ),
    "the bundle before is a trick, and a record is changed": (
        lambda w, to: (
            verdict(Forger.of(w.all)).write(to),
            Forger.of(w.first).tar(member("/etc/passwd")).write(to.with_name("before.tar.gz")),
        ),
        r"records/run-000002.jsonl:\d: run 2: this line was changed",
    ),
    "the bundle before is forged": (
        lambda w, to: (w.second, verdict(Forger.of(w.first)).write(to)),
        r"forged.tar.gz: records/run-000002.jsonl:\d: run 2: this line was changed",
    ),
}


def begins(bundle: Path) -> dict[str, object]:
    after: dict[str, object] = json.loads(Forger.of(bundle).files[MANIFEST])["after"]
    return after


def edited_exports(forger: Forger, world: World) -> Forger:
    """Let the exports' own records fit a chain that was calculated anew."""
    for run in (4, 5, 6):
        chain = {int(line.split()[2]): line.split()[0] for line in forger.lines(CHAIN)}
        first = json.loads(forger.lines(f"records/run-{run:06d}.jsonl")[0])
        options = first["run"]["options"]
        options["last"]["link"] = chain[options["last"]["position"]]
        forger.edit_run(run, options=options).rechain()
    return forger


@pytest.mark.parametrize("forgery", BETWEEN)
def test_what_does_not_follow_the_bundle_before_is_told(
    world: World, tmp_path: Path, forgery: str
) -> None:
    make, expected = BETWEEN[forgery]
    file, before = make(world, tmp_path / "forged.tar.gz")
    verified = verify_bundle(file, world.signers, before, now())
    of_file = [found for found in map(str, verified.findings) if "before.tar.gz" not in found]
    assert len(of_file) == 1, of_file
    assert re.search(expected, of_file[0]), of_file
    assert (len(verified.findings) > 1) == before.name.startswith("before")


def test_a_chain_calculated_anew_disagrees_with_the_exports_that_it_holds(
    world: World, tmp_path: Path
) -> None:
    file = recalculated(world).resign(world.key).write(tmp_path / "forged.tar.gz")
    found = verify_bundle(file, world.signers, None, now()).findings
    assert [str(finding) for finding in found] == [
        f"chain.txt: run {run}: link {run} is not the one that run {run + 1} exported: "
        "the chain was calculated anew"
        for run in (3, 4, 5)
    ]


def test_a_bundle_of_another_environment_does_not_follow(world: World, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = small_environment(tmp_path / "other", "production")
    with Store.open(other.store_directory, other.name) as store:
        record_some(store)
    exported = export(other, world.key, tmp_path / "other.tar.gz", since_last=True)
    found = verify_bundle(exported.file, world.signers, world.first, now()).findings
    assert [finding.what for finding in found] == [
        "the bundle is of production, the one before it of lab"
    ]


STORE: dict[str, tuple[str, list[str]]] = {
    "verdict edited": (
        "UPDATE checks SET verdict = 'holds' WHERE verdict = 'fails'",
        [r"record of run 2:5: run 2: this line was changed, it says now: check .* · holds"],
    ),
    "failure removed": (
        "DELETE FROM checks WHERE verdict = 'fails'",
        [r"record of run 2:4: run 2: a line is missing after this one"],
    ),
    "result put in": (
        "INSERT INTO results SELECT 999, run_id, host, role, 'new', action, status, measures, diff,"
        " message, duration, path, censored, handler FROM results WHERE id = 1",
        [r"record of run 1:8: run 1: this line was inserted: result rbx7 · ssh · new"],
    ),
    "results moved": (
        "UPDATE results SET id = 99 WHERE id = 1",
        [r"record of run 1:2: run 1: the lines 2, 3, 4, 5, 6, 7 were put into another order"],
    ),
    "hosts swapped": (
        "UPDATE recaps SET ok = CASE host WHEN 'rbx7' THEN 2 ELSE ok END",
        [r"record of run 1:8: run 1: this line was changed, it says now: recap rbx7"],
    ),
    "operator edited": (
        "UPDATE runs SET who = 'bob' WHERE id = 2",
        [r"record of run 2:1: run 2: the run's own line was changed, .*: run verify · bob · "],
    ),
    "back-dated": (
        "UPDATE runs SET started = '2026-01-01T00:00:00Z' WHERE id = 2",
        [r"record of run 2:1: run 2: the run's own line was changed.* · 2026-01-01"],
    ),
    "name twice in the options": (
        """UPDATE runs SET options = '{"a":1,"a":2}' WHERE id = 2""",
        [r"record of run 2:1: run 2: the run's own line was changed"],
    ),
    "run removed": (
        "DELETE FROM runs WHERE id = 2", [r"record of run 2: run 2: the run was removed, its link"]
    ),
    "first run removed": (
        "DELETE FROM runs WHERE id = 1", [r"record of run 1: run 1: the run was removed, its link"]
    ),
    "export edited": (
        """UPDATE runs SET options = '{"last":"none"}' WHERE id = 7""",
        [r"record of run 7:1: run 7: the run's own line was changed"],
    ),
    "run removed with its link": (
        "DELETE FROM runs WHERE id = 2; DELETE FROM links WHERE run_id = 2",
        [r"links:2: run 3: link 2 is missing before this one",
         r"record of run 2: run 2: the run was removed, and its link with it"],
    ),
    "last run removed with its link": (
        "DELETE FROM runs WHERE id = 7; DELETE FROM links WHERE run_id = 7",
        [r"record of run 7: run 7: the run was removed, and its link with it"],
    ),
    "run put in": (
        "INSERT INTO runs SELECT 8, command, environment, who, control_node, pid, process,"
        " git_commit, options, started, ended, status, message FROM runs WHERE id = 2",
        [r"record of run 8: run 8: it has ended and has no link"],
    ),
    "link edited": (
        "UPDATE links SET status = 'ok' WHERE run_id = 2",
        [r"links:2: run 2: link 2 is not the SHA-256 of its line",
         r"record of run 2:1: run 2: it ended findings, its link says ok"],
    ),
    "chained later, said to be at once": (
        "UPDATE links SET how = 'migrated' WHERE run_id = 2",
        [r"links:2: run 2: link 2 is not the SHA-256"],
    ),
    "infinite duration": (
        "UPDATE results SET duration = 9e999 WHERE id = 2",
        [r"record of run 1:3: run 1: this line was changed"],
    ),
}  # fmt: skip


def tampered(world: World, to: Path, script: str) -> Environment:
    """A copy of the store, changed by somebody who has sqlite3."""
    copy = small_environment(to)
    shutil.copytree(world.environment.store_directory, copy.store_directory)
    with closing(sqlite3.connect(copy.store_directory / "pas-infra.sqlite")) as other:
        other.executescript(script)
    return copy


@pytest.mark.parametrize("forgery", STORE)
def test_a_forged_store_is_told_by_what_was_forged(
    world: World, tmp_path: Path, forgery: str
) -> None:
    script, expected = STORE[forgery]
    copy = tampered(world, tmp_path, script)
    with Store.open(copy.store_directory, "lab") as store:
        verified = verify_store(store, None, None, now())
    found = [str(finding) for finding in verified.findings]
    assert len(found) == len(expected), found
    for pattern, finding in zip(expected, found, strict=True):
        assert re.search(pattern, finding), finding
    assert verified.exit_code is ExitCode.FINDINGS


@pytest.mark.parametrize(
    "forgery",
    [
        "verdict edited",
        "run removed",
        "first run removed",
        "run removed with its link",
        "run put in",
        "export edited",
    ],
)
def test_an_export_of_a_forged_store_shows_it(world: World, tmp_path: Path, forgery: str) -> None:
    copy = tampered(world, tmp_path, STORE[forgery][0])
    exported = export(copy, world.key, tmp_path / "bundle.tar.gz", since_last=False)
    assert exported.verified.findings
    assert verify_bundle(exported.file, world.signers, None, now()).findings
    with Store.open(copy.store_directory, "lab") as store:
        last = store.runs(1)[0]
    assert (last.command, str(last.status)) == ("evidence export", "findings")


INVENTORIES = {
    "as it is": ("", []),
    "changed": (
        "UPDATE inventories SET content = replace(content, 'sda', 'sdb')",
        ["record of run 1: run 1: the inventory of rbx7 was changed in the store",
         "record of run 2: run 2: the inventory of rbx7 was changed in the store"],
    ),
    "one of two removed": (
        "DELETE FROM inventories WHERE content LIKE '%new%'",
        ["record of run 2: run 2: the inventory of sysfab was removed from the store"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgery", INVENTORIES)
def test_an_inventory_of_which_a_record_has_the_digest_is_looked_at_too(
    tmp_path: Path, forgery: str
) -> None:
    script, expected = INVENTORIES[forgery]
    environment = small_environment(tmp_path)
    with Store.open(environment.store_directory, "lab") as store:
        for minutes in (0, 10):
            run = begin(store, "inventory", minutes)
            contents = [{"disk": "sda"}, {"disk": "new" if minutes else "old"}]
            digests = store.inventories.keep(contents)
            names = ("inventory of rbx7", "inventory of sysfab")
            store.drift.set_inputs(run, dict(zip(names, digests, strict=True)))
            end(store, run, minutes + 5)
        with closing(sqlite3.connect(store.path)) as other:
            other.executescript(script)
        found = verify_store(store, None, None, now()).findings
    assert [str(finding) for finding in found] == expected


def test_where_the_last_bundle_ended_is_not_guessed(world: World, tmp_path: Path) -> None:
    copy = tampered(world, tmp_path, STORE["export edited"][0])
    with pytest.raises(PasInfraError, match="run 7 says of the last bundle was changed") as caught:
        export(copy, world.key, tmp_path / "bundle.tar.gz", since_last=True)
    assert "without --since-last" in str(caught.value.next_step)


def test_the_store_as_it_is_has_no_finding_and_holds_every_bundle(world: World) -> None:
    with Store.open(world.environment.store_directory, "lab") as store:
        for after in (None, world.first, world.second, world.all):
            verified = verify_store(store, None, after, now())
            assert verified.findings == ()
            assert verified.exit_code is ExitCode.OK


def test_what_differs_is_told_with_a_bundle_that_kept_it(world: World, tmp_path: Path) -> None:
    script = """
        UPDATE checks SET verdict = 'holds' WHERE verdict = 'fails';
        UPDATE runs SET who = 'bob' WHERE id = 2;
        DELETE FROM recaps WHERE host = 'sysfab';
    """
    copy = tampered(world, tmp_path, script)
    with Store.open(copy.store_directory, "lab") as store:
        found = verify_store(store, None, world.first, now()).findings
    assert [str(finding) for finding in found] == [
        "record of run 1:8: run 1: a line is missing after this one (number 9): recap sysfab",
        "record of run 2:1: run 2: run verify · alice · findings · 2026-03-01T22:25:30Z · "
        "2026-03-01T22:30:30Z · 0123abc · : who was alice, is bob",
        "record of run 2:5: run 2: check rbx7 · test_ssh.py::root_is_out · fails: "
        "verdict was fails, is holds",
    ]


def test_a_store_that_was_begun_anew_does_not_hold_an_earlier_bundle(
    world: World, tmp_path: Path
) -> None:
    other = small_environment(tmp_path)
    with Store.open(other.store_directory, "lab") as store:
        record_some(store, at=1)
        found = verify_store(store, None, world.first, now()).findings
    assert [str(finding) for finding in found] == [
        "chain.txt: run 1: link 1, which first.tar.gz shows, is another one now: "
        "the chain was calculated anew"
    ]
