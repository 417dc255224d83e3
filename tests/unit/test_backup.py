"""Backups, as far as no host is needed: what is a finding, what is kept, what is compared."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from host_programs import loaded

from orchestrator.backup import BackupState, Repository
from orchestrator.backup.entries import Catalogue, Entry
from orchestrator.backup.escrow import Escrow
from orchestrator.backup.listing import Listed, exit_code_of
from orchestrator.backup.minutes import duration, in_french
from orchestrator.backup.repositories import declared_repositories
from orchestrator.backup.restore_test import Tested as Trial
from orchestrator.backup.restore_test import TestedSet as Trialled
from orchestrator.backup.status import Held
from orchestrator.environment.vault import decrypt
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.keys.key_store import KeyStore
from orchestrator.paths import project_root

NOW = datetime(2026, 3, 15, 6, 0, tzinfo=UTC)
DAY = timedelta(hours=26)
SYSTEM = Repository("rbx7", "system", "Système", ("/etc",))
ENTRY = Entry("system", "2026-03-15T01:00:00.000000Z", "f" * 64, "2026-03-15T01:02:00+00:00",
              100, 1000, 10, "a" * 64, ("/etc",))  # fmt: skip
BEFORE = replace(ENTRY, archive="2026-03-14T01:00:00.000000Z", ended="2026-03-14T01:02:00+00:00")
HELD = Held(datetime(2026, 3, 15, 1, 2, tzinfo=UTC), 5000, ("2026-03-15T010300Z",))
CHECKED = {"at": "2026-03-01T00:00:00+00:00", "damaged": []}
WELL = BackupState(SYSTEM, (BEFORE, ENTRY), HELD, has_key=True, checked=CHECKED)

FAULTS = {
    "nothing": (WELL, ""),
    "no archive": (replace(WELL, entries=()), "no archive: pas-infra backup run --host rbx7"),
    "old": (replace(WELL, entries=(BEFORE,)), "the last archive is 29 h old"),
    "incomplete": (
        replace(WELL, entries=(BEFORE, replace(ENTRY, missing=("/etc/passwd",)))),
        "the last archive lacks 1 files, such as /etc/passwd",
    ),
    "smaller": (
        replace(WELL, entries=(BEFORE, replace(ENTRY, size=499))),
        "the last archive holds 499 bytes, the one before 1000",
    ),
    "no key in escrow": (replace(WELL, has_key=False), "its key is not in escrow"),
    "gone": (replace(WELL, held=None), "the target holds nothing of it"),
    "no copy": (
        replace(WELL, held=replace(HELD, kept=("2026-03-14T010300Z",))),
        "root's last copy at the target is older than the last archive",
    ),
    "not written": (
        replace(WELL, held=replace(HELD, written=NOW - timedelta(days=3))),
        "the target has not written it since its last archive began",
    ),
    "another story": (
        replace(WELL, otherwise=("system::x",)),
        "the source now says otherwise of system::x",
    ),
    "damaged": (
        replace(WELL, checked=CHECKED | {"damaged": ["segment 3 is short"]}),
        "its last check found damage: segment 3 is short",
    ),
    "of tomorrow": (
        replace(
            WELL,
            entries=(ENTRY, replace(BEFORE, ended="2026-03-16T01:02:00+00:00")),
            held=replace(HELD, written=NOW + DAY, kept=("2026-03-17T010300Z",)),
        ),
        "the source says that its last archive is of 2026-03-16T01:02:00+00:00",
    ),
    "never checked": (
        replace(WELL, checked=None),
        "it was never looked through for damage: pas-infra backup check",
    ),
    "checked long ago": (
        replace(WELL, checked=CHECKED | {"at": "2026-02-01T00:00:00+00:00"}),
        "it was not looked through for damage for 35 days: pas-infra backup check",
    ),
}


@pytest.mark.parametrize(("state", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_is_to_be_looked_at(state: BackupState, fault: str) -> None:
    assert state.faults(NOW, DAY) == ((fault,) if fault else ())


def test_the_catalogue_believes_what_was_said_first(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "store/backup/rbx7.json", [BEFORE])
    changed = replace(BEFORE, manifest_sha256="b" * 64)
    assert catalogue.remember([changed, ENTRY]) == [f"system::{BEFORE.archive}"]
    assert catalogue.of("system") == [BEFORE, ENTRY]
    catalogue.save()
    kept = json.loads(catalogue.file.read_text())["entries"]
    assert [Entry.from_data(one) for one in kept] == [BEFORE, ENTRY]


SAID = asdict(ENTRY)


@pytest.mark.parametrize(
    "nonsense",
    [{}, {"ended": "today"}, {"ended": "2026-01-01", "set": "x"},
     SAID | {"ended": "2026-03-15T01:02:00"}, SAID | {"files": float("inf")},
     SAID | {"archive": "[/x]"}, SAID | {"archive": "../x"}, SAID | {"id": "f"},
     SAID | {"manifest_sha256": "a" * 63 + "/"}],
)  # fmt: skip
def test_nonsense_is_no_entry(nonsense: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no entry of a backup"):
        Entry.from_data(nonsense)


def test_a_restore_of_which_nothing_was_compared_proves_nothing(tmp_path: Path) -> None:
    nothing = Trialled(SYSTEM, ENTRY, 0, 0, 1.0, 3600.0, (), 0)
    assert Trial(1, (nothing,), tmp_path).exit_code is ExitCode.FINDINGS
    assert Trial(1, (replace(nothing, compared=1),), tmp_path).exit_code is ExitCode.OK


def test_a_key_in_escrow_is_never_replaced(tmp_path: Path) -> None:
    clients = KeyStore(tmp_path / "store/client-keys", "c" * 32)
    escrow = Escrow(tmp_path / "store/backup-keys", b"w" * 32, clients)
    key = {"key": "BORG_KEY 1", "passphrase": "p"}
    with pytest.raises(PasInfraError, match="not in escrow"):
        escrow.get(SYSTEM)
    escrow.put(SYSTEM, key)
    escrow.put(SYSTEM, key)
    with pytest.raises(PasInfraError, match="another key"):
        escrow.put(SYSTEM, {**key, "key": "BORG_KEY 2"})
    assert escrow.get(SYSTEM) == key
    assert "BORG_KEY" not in (escrow.directory / "rbx7/system.key").read_text()
    with pytest.raises(PasInfraError):
        Escrow(escrow.directory, b"x" * 32, clients).get(SYSTEM)
    assert clients.contents() == {}


def test_the_key_of_a_clients_backups_goes_with_the_client(tmp_path: Path) -> None:
    clients = KeyStore(tmp_path / "client-keys", "c" * 32)
    escrow = Escrow(tmp_path / "backup-keys", b"w" * 32, clients)
    alpha, beta = (Repository("rbx7", f"client-{name}", "", ()) for name in ("alpha", "beta"))
    for one in (alpha, beta):
        escrow.put(one, {"key": f"BORG_KEY {one}", "passphrase": "p"})
    assert (alpha.client, SYSTEM.client) == ("alpha", "")
    # No client has a volume of that.
    assert clients.keys() == {}
    before = [key.key for key in clients.contents().values()]
    assert escrow.get(alpha)["key"] == "BORG_KEY rbx7/client-alpha"
    clients.remove("alpha")
    with pytest.raises(PasInfraError, match="nothing that opens the key of rbx7/client-alpha"):
        escrow.get(alpha)
    assert escrow.get(beta)["key"] == "BORG_KEY rbx7/client-beta"
    content = (tmp_path / "backup-keys/rbx7/client-alpha.key").read_text()
    left = [*(key.key for key in clients.contents().values()), "w" * 32, "c" * 32]
    assert len(left) == 3
    for words in left:
        with pytest.raises(PasInfraError):
            decrypt(content, words.encode())
    assert any(decrypts(content, words) for words in before)


def decrypts(content: str, words: str) -> bool:
    try:
        return bool(decrypt(content, words.encode()))
    except PasInfraError:
        return False


def test_an_archive_that_has_gone_is_a_finding() -> None:
    assert exit_code_of([Listed("a", ENTRY)]) == ExitCode.OK
    assert exit_code_of([Listed("a", ENTRY), Listed("b", None, "is there")]) == ExitCode.FINDINGS


@pytest.mark.parametrize(
    "archive",
    ["2026-03-16T01:00:00.000000Z", "2026-03-01T01:00:00.000000Z", "2026-99-99T00:00:00.000000Z"],
)
def test_an_archive_of_another_day_than_it_was_made_is_none(archive: str) -> None:
    """By its name it would be that day's archive, and the real one of that day could go."""
    with pytest.raises(ValueError, match="no entry of a backup"):
        Entry.from_data({**SAID, "archive": archive})


def test_who_is_being_offboarded_is_backed_up_no_more(tmp_path: Path) -> None:
    clients = [SimpleNamespace(name=name, host="rbx7", title=name) for name in ("alpha", "beta")]
    environment: Any = SimpleNamespace(
        kind="production", store_directory=tmp_path, data_sets=(), clients=clients
    )
    (tmp_path / "offboarding").mkdir()
    (tmp_path / "offboarding/alpha.json").write_text('{"client": {}, "by": "me", "steps": {}}')
    assert [one.client for one in declared_repositories(environment)] == ["beta"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(11.66, "11,7 s"), (90, "2 min"), (4000, "1 h 07 min")]
)
def test_durations_are_read_in_france(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# ── What runs on the hosts ─────────────────────────────────────────────────────────────────────


@pytest.fixture
def manifest(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(project_root() / "roles/backup_source/files/backup")
    monkeypatch.delitem(sys.modules, "manifest", raising=False)
    return import_module("manifest")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What is hard to bring back: a hard link, a symbolic one, a fifo, a name in no encoding."""
    root = tmp_path / "live"
    (root / "sub").mkdir(parents=True)
    (root / "file").write_text("one")
    os.link(root / "file", root / "sub/again")
    (root / "link").symlink_to("nowhere")
    os.mkfifo(root / "fifo")
    Path(os.fsdecode(bytes(root) + b"/\xff\xfe")).write_text("odd")
    (root / "secret.key").write_text("never")
    return root


def test_a_tree_is_recorded_and_compared(manifest: ModuleType, tree: Path, tmp_path: Path) -> None:
    recorded = manifest.record(manifest.walk([str(tree)], ["*/secret.key"]), {})
    assert f"{tree}/secret.key" not in recorded
    assert {one["kind"] for one in recorded.values()} == {"file", "directory", "link", "fifo"}
    assert recorded[f"{tree}/sub/again"]["same_as"] == f"{tree}/file"
    sha256 = manifest.write(recorded, tmp_path / "record.json")
    assert len(sha256) == 64
    again = manifest.read(tmp_path / "record.json")
    assert manifest.differences(again, Path("/")) == []
    assert manifest.unsteady(again) == []


def test_nobody_nests_directories_too_deep(manifest: ModuleType, tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(1500):
        deep /= "d"
        deep.mkdir()
    assert str(deep) in manifest.record(manifest.walk([str(tmp_path)], []), {})
    while deep != tmp_path:
        deep.rmdir()
        deep = deep.parent


def test_a_path_that_nothing_can_open_is_told(manifest: ModuleType, tmp_path: Path) -> None:
    """Directories made one in the other, each by its own name, can be as deep as that."""
    here = os.open(tmp_path, os.O_RDONLY)
    name = "d" * 200
    for _ in range(25):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    too_long: list[str] = []
    recorded = manifest.record(manifest.walk([str(tmp_path)], [], too_long), {})
    assert len(recorded) > 15
    (path,) = too_long
    assert len(path) > 4000
    subprocess.run(["rm", "-rf", tmp_path / name], check=True)


def bound(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(file))


MEANWHILE = {
    "removed": lambda file: None,
    "a socket": bound,
    "a pipe": os.mkfifo,
    "a link": lambda file: file.symlink_to("/etc/passwd"),
    "a directory": lambda file: file.mkdir(),
}


@pytest.mark.parametrize("into", MEANWHILE.values(), ids=MEANWHILE)
def test_what_becomes_something_else_meanwhile_is_left_out(
    manifest: ModuleType, tree: Path, into: Any
) -> None:
    found = list(manifest.walk([str(tree)], []))
    (tree / "file").unlink()
    into(tree / "file")
    (tree / "link").unlink()
    shutil.rmtree(tree / "sub")
    recorded = manifest.record(found, {})
    assert not {f"{tree}/file", f"{tree}/link", f"{tree}/sub/again"} & set(recorded)
    assert f"{tree}/fifo" in recorded
    assert f"{tree}/sub" in manifest.unsteady(recorded)
    # Also while a directory is being looked at.
    walking = manifest.walk([str(tree)], [])
    next(walking)
    shutil.rmtree(tree)
    assert list(walking) == []


def test_a_disk_that_fails_is_not_passed_over(
    manifest: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    found = list(manifest.walk([str(tree)], []))
    monkeypatch.setattr(manifest.hashlib, "file_digest", broken)
    with pytest.raises(OSError, match="Input/output"):
        manifest.record(found, {})


CHANGES = {
    "content": (lambda root: (root / "file").write_text("two"), "hash is"),
    "mode": (lambda root: (root / "sub").chmod(0o700), "mode is"),
    "gone": (lambda root: (root / "link").unlink(), "link is missing"),
    "another target": (
        lambda root: ((root / "link").unlink(), (root / "link").symlink_to("x")),
        "target is x, was nowhere",
    ),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES)
def test_what_differs_is_said(manifest: ModuleType, tree: Path, change: Any, said: str) -> None:
    (tree / "sub").chmod(0o755)
    recorded = manifest.record(manifest.walk([str(tree)], []), {})
    change(tree)
    assert any(said in sentence for sentence in manifest.differences(recorded, Path("/")))
    assert manifest.unsteady(recorded)


def test_what_is_unchanged_is_not_read_again(
    manifest: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = manifest.record(manifest.walk([str(tree)], []), {})
    read: list[str] = []

    def reads(path: str) -> str:
        read.append(path)
        return "x"

    monkeypatch.setattr(manifest, "hash_of", reads)
    (tree / "file").write_text("other")
    manifest.record(manifest.walk([str(tree)], []), recorded)
    assert sorted(read) == [f"{tree}/file", f"{tree}/sub/again"]


@pytest.fixture
def keep() -> ModuleType:
    return loaded(project_root() / "roles/backup_target/files/keep.py")


def test_copies_share_what_is_the_same_and_outlive_the_repository(
    keep: ModuleType, tmp_path: Path
) -> None:
    place, kept = tmp_path / "place", tmp_path / "kept"
    (place / "system/data/0").mkdir(parents=True)
    kept.mkdir()
    segment = place / "system/data/0/1"
    segment.write_text("segment")
    (place / "system/lock.exclusive").write_text("")
    first = keep.keep(place, kept, ["system"]).rename(kept / "2026-03-14T010000Z")
    second = keep.keep(place, kept, ["system"])
    copies = [each / "system/data/0/1" for each in (first, second)]
    assert copies[0].stat().st_ino == copies[1].stat().st_ino != segment.stat().st_ino
    assert not (second / "system/lock.exclusive").exists()
    segment.unlink()
    segment.symlink_to("/etc/passwd")
    third = keep.keep(place, kept, ["system"])
    assert not os.path.lexists(third / "system/data/0/1")
    assert copies[0].read_text() == "segment"


def test_a_clock_that_jumps_removes_no_copy(keep: ModuleType, tmp_path: Path) -> None:
    names = [f"2026-03-{day:02d}T010000Z" for day in range(1, 8)] + ["2099-01-01T010000Z"]
    for name in [*names, "2026-03-07T020000Z"]:
        (tmp_path / name).mkdir()
    keep.forget(tmp_path, 3, "2026-03-07T030000Z")
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "2026-03-06T010000Z", "2026-03-07T010000Z", "2026-03-07T020000Z", "2099-01-01T010000Z"
    ]  # fmt: skip
    # Of three days with the one that is coming, two are left before it is made.
    keep.forget(tmp_path, 3, "2026-03-08T010000Z")
    assert min(each.name for each in tmp_path.iterdir()) == "2026-03-07T010000Z"


def test_the_minutes_say_in_french_how_a_file_differs(
    manifest: ModuleType, tree: Path, tmp_path: Path
) -> None:
    """Whatever the host says of a difference, the client reads it in French."""
    recorded = manifest.record(manifest.walk([str(tree)], ["*/secret.key"]), {})
    (tree / "file").write_text("two")
    (tree / "file").chmod(0o777)
    (tree / "fifo").unlink()
    said = manifest.differences(recorded, Path("/"))
    french = [in_french(sentence) for sentence in said]
    assert f"{tree}/fifo manque" in french
    assert any(text.startswith(f"{tree}/file : contenu, ") for text in french)
    assert any(" : droits, " in text and " au lieu de " in text for text in french)
    assert not [text for text in french if text in said]
    assert in_french("a is b: mode is 511, was 436") == "a is b : droits, 0777 au lieu de 0664"
    assert in_french("a: kind is link, was file") == "a : nature, lien au lieu de fichier"
    assert in_french("a: xattrs is None, was {}") == "a : attributs, absent au lieu de {}"
    at = "a: mtime is 1773561600000000000, was 1773561601000000000"
    assert in_french(at).endswith(
        ", 15/03/2026 à 08:00:00 UTC au lieu de 15/03/2026 à 08:00:01 UTC"
    )
    assert in_french("a was one file with b") == "a n'est plus le même fichier que b"
