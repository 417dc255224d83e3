"""The key store: what it keeps, what it destroys, and what is left when it is cut short."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.environment.vault import decrypt
from orchestrator.errors import PasInfraError
from orchestrator.keys.key_store import KeyStore, clients_directory, key_store
from orchestrator.lab import lab_layout
from orchestrator.offboardings import directory_of
from orchestrator.store import private

WORDS = "a passphrase of the tests, long enough"
PLACE = "rbx7:system"
NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys", WORDS)


def test_a_key_is_made_once(store: KeyStore) -> None:
    first = store.add("alpha", PLACE, NOW)
    assert len(first.key) == 128
    assert first.made == "2026-11-26T02:00:00+00:00"
    assert store.add("alpha", PLACE, NOW.replace(year=2027)) == first
    assert store.add("beta", PLACE, NOW).key != first.key
    assert set(store.keys()) == {"alpha", "beta"}
    assert store.key_of("alpha") == first.key
    assert store.generation == 1


def test_nobody_has_a_key_at_first(store: KeyStore) -> None:
    assert store.keys() == {}
    with pytest.raises(PasInfraError, match="no key of the client `alpha`"):
        store.key_of("alpha")


def test_what_wraps_the_key_of_backups_goes_with_the_clients_own(store: KeyStore) -> None:
    assert store.for_backups("alpha") is None
    wrapping = store.for_backups("alpha", NOW)
    store.add("alpha", PLACE, NOW)
    assert store.for_backups("alpha", NOW.replace(year=2027)) == wrapping
    assert set(store.keys()) == {"alpha"}
    store.begin_change("alpha")
    store.end_change("alpha", NOW)
    assert store.for_backups("alpha") == wrapping
    store.remove("alpha")
    assert store.contents() == {}


def test_its_files_are_private_and_hold_nothing_in_clear(tmp_path: Path) -> None:
    key = KeyStore(tmp_path / "keys", WORDS).add("alpha", PLACE, NOW).key
    for file in (tmp_path / "keys").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert key not in file.read_text()
        assert "alpha" not in file.read_text()


def test_another_passphrase_opens_nothing(tmp_path: Path, store: KeyStore) -> None:
    store.add("alpha", PLACE, NOW)
    with pytest.raises(PasInfraError, match="the key store cannot be read"):
        KeyStore(tmp_path / "keys", WORDS.upper()).keys()
    with pytest.raises(PasInfraError, match="fewer than 32 characters"):
        KeyStore(tmp_path / "other", "short").add("alpha", PLACE, NOW)
    assert KeyStore(tmp_path / "other", "").keys() == {}


def test_a_damaged_file_is_no_empty_store(tmp_path: Path, store: KeyStore) -> None:
    store.add("alpha", PLACE, NOW)
    (tmp_path / "keys/1.keys").write_text("nonsense")
    with pytest.raises(PasInfraError, match="the key store cannot be read"):
        store.add("beta", PLACE, NOW)


def test_a_removed_key_opens_in_no_copy_of_what_is_left(tmp_path: Path, store: KeyStore) -> None:
    gone = store.add("alpha", PLACE, NOW).key
    stays = store.add("beta", PLACE, NOW).key
    shutil.copytree(tmp_path / "keys", tmp_path / "copy")
    store.remove("alpha")
    assert {name: key.key for name, key in store.keys().items()} == {"beta": stays}
    left = sorted(file.name for file in (tmp_path / "keys").iterdir())
    assert left == ["2.key", "2.keys"]
    # With everything that still exists: the passphrase, the store key, an old copy of the keys.
    now = decrypt((tmp_path / "keys/2.key").read_text(), WORDS.encode()).encode()
    for password in (WORDS.encode(), now):
        with pytest.raises(PasInfraError):
            decrypt((tmp_path / "copy/1.keys").read_text(), password)
    assert gone not in decrypt((tmp_path / "keys/2.keys").read_text(), now)


def test_removing_twice_changes_nothing(store: KeyStore) -> None:
    store.add("alpha", PLACE, NOW)
    store.add("beta", PLACE, NOW)
    store.remove("alpha")
    store.remove("alpha")
    assert store.generation == 2
    assert set(store.keys()) == {"beta"}


@contextmanager
def cut_at(at: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cut at the call of that number of those that change what lies on the disk."""
    with monkeypatch.context() as patched:
        calls = count(1)

        def cut(real: Callable[..., Any]) -> Callable[..., Any]:
            def run(*arguments: Any, **more: Any) -> Any:
                if next(calls) == at:
                    raise KeyboardInterrupt
                return real(*arguments, **more)

            return run

        patched.setattr(private, "open_private", cut(private.open_private))
        patched.setattr(os, "fsync", cut(os.fsync))
        for name in ("rename", "unlink"):
            patched.setattr(Path, name, cut(getattr(Path, name)))
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("at", range(1, 17))
def test_a_removal_that_is_cut_short_goes_on(
    at: int, tmp_path: Path, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("alpha", PLACE, NOW)
    stays = store.add("beta", PLACE, NOW).key
    with cut_at(at, monkeypatch):
        store.remove("alpha")
    assert set(store.keys()) in ({"alpha", "beta"}, {"beta"})
    store.remove("alpha")
    assert {name: key.key for name, key in store.keys().items()} == {"beta": stays}
    left = {file.name for file in (tmp_path / "keys").iterdir()}
    assert left == {f"{store.generation}.key", f"{store.generation}.keys"}


def test_a_changed_key_opens_in_no_copy_of_what_is_left(tmp_path: Path, store: KeyStore) -> None:
    former = store.add("alpha", PLACE, NOW).key
    stays = store.add("beta", PLACE, NOW).key
    changing = store.begin_change("alpha")
    assert changing.words == (former, changing.next)
    assert store.begin_change("alpha") == changing
    for act in (lambda: store.key_of("alpha"), lambda: store.add("alpha", PLACE, NOW)):
        with pytest.raises(PasInfraError, match="was begun and has not ended") as caught:
            act()
        assert caught.value.next_step == "pas-infra client rotate alpha ends it"
    assert store.key_of("beta") == stays
    store.end_change("alpha", NOW.replace(year=2027))
    changed = store.keys()["alpha"]
    assert changed.words == (changing.next,)
    assert (changed.made[:4], changed.since[:4], changed.place) == ("2027", "2026", PLACE)
    assert store.keys()["beta"].key == stays
    left = sorted(file.name for file in (tmp_path / "keys").iterdir())
    assert left == ["2.key", "2.keys"]
    again = store.begin_change("alpha")
    store.end_change("alpha", NOW.replace(year=2028))
    assert (store.key_of("alpha"), store.keys()["alpha"].since[:4]) == (again.next, "2026")
    with pytest.raises(PasInfraError, match="no key of the client `gamma`"):
        store.begin_change("gamma")


@pytest.mark.parametrize("at", range(1, 17))
def test_a_change_that_is_cut_short_goes_on(
    at: int, tmp_path: Path, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The volume has the new key alone by then: it is kept whatever happens."""
    store.add("alpha", PLACE, NOW)
    stays = store.add("beta", PLACE, NOW).key
    new = store.begin_change("alpha").next
    with cut_at(at, monkeypatch):
        store.end_change("alpha", NOW)
    assert new in store.keys()["alpha"].words
    if store.keys()["alpha"].next:
        store.end_change("alpha", NOW)
    assert store.key_of("alpha") == new
    store.begin_change("alpha")
    store.end_change("alpha", NOW)
    assert store.key_of("beta") == stays
    left = {file.name for file in (tmp_path / "keys").iterdir()}
    assert left == {f"{store.generation}.key", f"{store.generation}.keys"}


def test_a_key_is_of_one_volume(store: KeyStore) -> None:
    store.add("alpha", PLACE, NOW)
    with pytest.raises(PasInfraError, match="lies in rbx7:system, not in sysfab:system"):
        store.add("alpha", "sysfab:system", NOW)


def test_lost_keys_are_no_empty_store(tmp_path: Path, store: KeyStore) -> None:
    first = store.add("alpha", PLACE, NOW)
    keys = (tmp_path / "keys/1.keys").read_bytes()
    (tmp_path / "keys/1.keys").unlink()
    # Its store key stays, so that what is brought back opens.
    store.add("beta", PLACE, NOW)
    (tmp_path / "keys/1.keys").write_bytes(keys)
    assert store.keys() == {"alpha": first}
    store.add("beta", PLACE, NOW)
    store.remove("beta")
    (tmp_path / "keys/2.keys").unlink()
    with pytest.raises(PasInfraError, match=r"has lost 2[.]keys"):
        store.add("gamma", PLACE, NOW)


def test_half_a_store_is_no_empty_one(tmp_path: Path, store: KeyStore) -> None:
    store.add("alpha", PLACE, NOW)
    (tmp_path / "keys/1.key").unlink()
    for act in (store.keys, lambda: store.add("beta", PLACE, NOW), lambda: store.remove("alpha")):
        with pytest.raises(PasInfraError, match=r"has lost 1[.]key"):
            act()
    assert (tmp_path / "keys/1.keys").exists()


def test_a_lab_keeps_its_clients_with_its_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two labs of one environment have other disks, and other keys."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("PAS_INFRA_LAB_DIR", raising=False)
    lab: Any = SimpleNamespace(kind="lab", store_directory=tmp_path / "store")
    assert clients_directory(lab) == lab_layout("default").directory
    layout = lab_layout("another")
    monkeypatch.setenv("PAS_INFRA_LAB_DIR", str(layout.directory))
    monkeypatch.setattr("orchestrator.keys.key_store.secret", lambda *_: WORDS)
    key_store(lab, "rbx7").add("alpha", PLACE, NOW)
    assert {file.parent for file in tmp_path.rglob("*.key")} == {layout.client_keys("rbx7")}
    assert directory_of(lab) == layout.offboarding
    production: Any = SimpleNamespace(kind="production", store_directory=tmp_path / "store")
    assert key_store(production, "rbx7").keys() == {}
    assert directory_of(production) == tmp_path / "store/offboarding"


def test_no_key_store_lies_where_git_takes_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.keys.key_store.secret", lambda *_: WORDS)
    (tmp_path / "project/.git").mkdir(parents=True)
    place = tmp_path / "project/state"
    inside: Any = SimpleNamespace(kind="production", store_directory=place)
    with pytest.raises(PasInfraError, match=f"in the git repository {tmp_path / 'project'}"):
        key_store(inside, "rbx7")
    assert not place.exists()
