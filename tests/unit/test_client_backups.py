"""The backups of a client who leaves: what is found and destroyed at both ends and in escrow."""

import json
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.backup.entries import Catalogue, catalogue_of
from orchestrator.backup.escrow import Escrow, kept_key
from orchestrator.backup.repositories import Repository
from orchestrator.clients import backups
from orchestrator.clients.backups import ClientBackups
from orchestrator.clients.host import backups as at_host
from orchestrator.environment import Client
from orchestrator.errors import Incomplete, PasInfraError
from orchestrator.keys.key_store import KeyStore, key_store

ALPHA = Client("alpha", "Alpha", "rbx7", 10, 128, 50, 64, 30, None)
OF_ALPHA = Repository("rbx7", "client-alpha", "Alpha", ("/srv/clients/alpha",))
WORDS = "the words of the escrow, long enough"
FOUND = {
    "repository": "rbx7/client-alpha", "target": "sysfab", "keys_there": 4, "in_escrow": True,
    "archives": 0, "size": 12, "copies": 2,
}  # fmt: skip


class Ends:
    """Both ends as directories, asked as the host program asks them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unreachable = ""

    def file(self, path: str, content: str = "x") -> Path:
        made = self.root / path
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(content)
        return made

    def call(self, connection: Any, _about: str, **request: Any) -> dict[str, Any]:
        if connection.host == self.unreachable:
            raise Incomplete(f"{connection.host} is gone")
        return at_host.answer({**request})

    @property
    def left(self) -> set[str]:
        return {str(file.relative_to(self.root)) for file in self.root.rglob("*") if file.is_file()}


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ends:
    made = Ends(tmp_path / "ends")
    monkeypatch.setattr(at_host, "_KEYS", made.root / "keys")
    monkeypatch.setattr(at_host, "_STATE", made.root / "state")
    monkeypatch.setattr(at_host, "_DECLARED", made.root / "declared")
    monkeypatch.setattr(backups, "_PROGRAM", made)
    monkeypatch.setattr(
        backups, "lines_to",
        lambda *_: {"rbx7": SimpleNamespace(
            source=SimpleNamespace(host="rbx7"), target=SimpleNamespace(host="sysfab"))},
    )  # fmt: skip
    monkeypatch.setattr("orchestrator.keys.key_store.secret", lambda *_: "c" * 32)
    return made


@pytest.fixture
def environment(tmp_path: Path) -> Any:
    (tmp_path / "store").mkdir(mode=0o700)
    return SimpleNamespace(name="x", kind="production", store_directory=tmp_path / "store")


@pytest.fixture
def backed_up(ends: Ends, environment: Any) -> ClientBackups:
    for name in ("client-alpha", "client-alphabet", "system"):
        for ending in ("key", "passphrase", "escrowed"):
            ends.file(f"keys/{name}.{ending}")
        ends.file(f"state/borg/{name}/cache")
        ends.file(f"state/manifests/{name}.json")
        ends.file(f"state/catalogue/{name}.jsonl")
        ends.file(f"place/{name}/data/0/1", "twelve bytes")
        for day in ("2026-11-24T010000Z", ".unfinished"):
            ends.file(f"kept/{day}/{name}/data/0/1")
    ends.file("keys/.client-alpha.passphrase.new")
    ends.file("state/restored/tmp1/srv/clients/alpha/data")
    ends.file("place/.lock")
    asked = {"place": str(ends.root / "place"), "kept": str(ends.root / "kept")}
    ends.file("declared/rbx7.json", json.dumps(asked))
    escrow = Escrow(
        environment.store_directory / "backup-keys", WORDS.encode(), key_store(environment, "rbx7")
    )
    escrow.put(OF_ALPHA, {"key": "BORG_KEY", "passphrase": "p"})
    return ClientBackups(environment, ALPHA)


def secrets_of(environment: Any) -> tuple[KeyStore, list[str]]:
    store = key_store(environment, "rbx7")
    store.remove("alpha")
    return store, [WORDS, "c" * 32]


def test_what_there_is_is_shown_and_stays(backed_up: ClientBackups, ends: Ends) -> None:
    before = ends.left
    assert backed_up.look() == FOUND
    assert ends.left == before


def test_everything_of_them_goes_and_nothing_of_others(
    backed_up: ClientBackups, ends: Ends, environment: Any
) -> None:
    before = ends.left
    catalogue = Catalogue(catalogue_of(environment, "rbx7").file, [])
    catalogue.checks = {"client-alpha": {}, "system": {}}
    catalogue.save()
    _, left = secrets_of(environment)
    assert backed_up.destroy(FOUND, left) == {"tried": 2}
    gone = {name for name in before if "client-alpha/" in name or "client-alpha." in name}
    assert len(gone) == 10
    assert ends.left == before - gone - {"state/restored/tmp1/srv/clients/alpha/data"}
    assert kept_key(environment, "rbx7", "client-alpha") is None
    assert catalogue_of(environment, "rbx7").checks == {"system": {}}
    # Cut short before it was written down, it goes on.
    assert backed_up.destroy(FOUND, left) == {"tried": 2}
    assert backed_up.look() == {}


def test_a_key_that_still_opens_is_not_destroyed(
    backed_up: ClientBackups, environment: Any
) -> None:
    """As long as the client's key exists, nothing proves that a copy of the escrow is worthless."""
    wrapping = key_store(environment, "rbx7").for_backups("alpha")
    assert wrapping is not None
    with pytest.raises(PasInfraError, match="a secret that still exists opens the key of rbx7/cli"):
        backed_up.destroy(FOUND, [WORDS, wrapping.key])
    assert kept_key(environment, "rbx7", "client-alpha")


def test_what_a_cut_has_left_of_a_key_goes_too(backed_up: ClientBackups, environment: Any) -> None:
    file = kept_key(environment, "rbx7", "client-alpha")
    assert file is not None
    hidden = file.rename(file.with_name(f".{file.name}.gone"))
    found = backed_up.look()
    assert found["in_escrow"]
    _, left = secrets_of(environment)
    backed_up.destroy(found, left)
    assert not hidden.exists()


def test_another_target_is_not_taken_for_the_one_that_has_them(
    backed_up: ClientBackups, ends: Ends
) -> None:
    (ends.root / "declared/rbx7.json").unlink()
    asked = {"name": "client-alpha", "source": "rbx7", "end": "target", "forget": True}
    assert "is no source here" in at_host.answer(asked)["refused"]


def test_nobody_is_disturbed_who_works_with_backups(
    backed_up: ClientBackups, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_host, "_JOB", ends.root / "job.sock")
    before = ends.left
    asked = {"name": "client-alpha", "source": "rbx7", "end": "source", "forget": True}
    with socket.socket(socket.AF_UNIX) as job:
        job.bind(str(ends.root / "job.sock"))
        job.listen()
        assert "wait until it has ended" in at_host.answer({**asked})["refused"]
    assert ends.left == before
    assert at_host.answer(asked) == {"keys": 4}


def test_nothing_is_certified_while_the_target_is_gone(
    backed_up: ClientBackups, ends: Ends, environment: Any
) -> None:
    _, left = secrets_of(environment)
    ends.unreachable = "sysfab"
    with pytest.raises(Incomplete):
        backed_up.look()
    with pytest.raises(Incomplete):
        backed_up.destroy(FOUND, left)
    assert (ends.root / "place/client-alpha/data/0/1").exists()
    assert not (ends.root / "keys/client-alpha.key").exists()
    ends.unreachable = ""
    backed_up.destroy(FOUND, left)
    assert not (ends.root / "place/client-alpha").exists()


def test_who_was_never_backed_up_needs_no_target(ends: Ends, environment: Any) -> None:
    ends.unreachable = "sysfab"
    none = ClientBackups(environment, ALPHA)
    assert none.look() == {}
    assert none.destroy({}, []) == {"tried": 0}


def test_backups_that_are_declared_no_more_are_not_forgotten(
    backed_up: ClientBackups, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise PasInfraError("no host is declared to fetch the backups of rbx7")

    monkeypatch.setattr(backups, "lines_to", nobody)
    with pytest.raises(PasInfraError, match="no host is declared"):
        backed_up.look()
    assert ClientBackups(environment, Client("beta", "", "rbx7", 1, 1, 1, 1, 1, None)).look() == {}


@pytest.mark.parametrize("name", ["system", "client-", "../client-alpha", "client-a/../b"])
def test_nothing_but_the_repository_of_a_client_is_touched(name: str) -> None:
    said = at_host.answer({"name": name, "source": "rbx7", "end": "source", "forget": True})
    assert "is no repository of a client" in said["refused"]
