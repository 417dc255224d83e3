"""Copies of the key store: registered, tried, renewed, and named until somebody destroys them."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.clients.erasure import Erasure
from orchestrator.environment import Client
from orchestrator.errors import Incomplete, PasInfraError
from orchestrator.exit_codes import ExitCode
from orchestrator.keys import SafeCopy, list_copies, make_copy, note_destroyed, safe_copies
from orchestrator.keys.key_store import KeyStore
from orchestrator.keys.safe_copies import copies_in, with_key_of, write_copy
from orchestrator.offboardings import Journal
from orchestrator.store import Store
from orchestrator.store.private import private_directory, replace_private

WORDS = "a passphrase of the tests, long enough"
NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
HOST: Any = SimpleNamespace(name="rbx7")
ALPHA = Client("alpha", "Alpha", "rbx7", 1, 1, 1, 1, 0)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("orchestrator.keys.key_store.secret", lambda *_: WORDS)
    private_directory(tmp_path / "store")
    return SimpleNamespace(
        name="small", kind="production", directory=tmp_path / "small",
        store_directory=tmp_path / "store",
    )  # fmt: skip


@pytest.fixture
def store(environment: Any) -> KeyStore:
    made = KeyStore(environment.store_directory / "client-keys/rbx7", WORDS)
    made.add("alpha", "rbx7:system", NOW)
    made.add("beta", "rbx7:system", NOW)
    return made


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "usb"
    place.mkdir()
    yield place
    assert all(file.stat().st_mode & 0o077 == 0 for file in place.rglob("*"))


def test_a_copy_opens_and_is_registered(environment: Any, store: KeyStore, medium: Path) -> None:
    before = list_copies(environment, HOST)
    assert (before.copies, before.exit_code) == ((), ExitCode.FINDINGS)
    run, copy = make_copy(environment, HOST, medium, "the safe")
    assert KeyStore(Path(copy.directory), WORDS).keys() == store.keys()
    assert (copy.number, copy.place, copy.generation) == (1, "the safe", 1)
    found = list_copies(environment, HOST)
    assert (found.copies, found.state(copy), found.faults) == ((copy,), "current", ())
    with Store.open(environment.store_directory, "small") as records:
        (result,) = records.results(run)
    assert result.task == "copy 1 of the key store of rbx7 is in the safe"


def test_it_is_older_once_there_is_another_key(
    environment: Any, store: KeyStore, medium: Path
) -> None:
    _, copy = make_copy(environment, HOST, medium, "")
    store.add("gamma", "rbx7:system", NOW)
    found = list_copies(environment, HOST)
    assert found.state(copy) == "older"
    assert found.faults == ("no copy has all keys of the clients: pas-infra keys copy",)


def test_one_that_is_renewed_takes_the_former_ones_place(
    environment: Any, store: KeyStore, medium: Path
) -> None:
    _, first = make_copy(environment, HOST, medium, "")
    store.remove("alpha")
    found = list_copies(environment, HOST)
    assert found.state(first) == "former"
    assert found.faults[0] == "copy 1 has a key that was destroyed since: destroy it too"
    _, second = make_copy(environment, HOST, medium, "")
    target = Path(second.directory)
    assert sorted(file.name for file in target.iterdir()) == ["2.key", "2.keys", "copy-2"]
    found = list_copies(environment, HOST)
    assert [found.state(copy) for copy in found.copies] == ["destroyed", "current"]
    assert found.exit_code is ExitCode.OK


def test_one_that_is_cut_short_is_known(store: KeyStore, medium: Path) -> None:
    """Whatever was written by then: the medium is pulled out, the command is killed."""
    target = medium / "copy"
    pid = os.fork()
    if not pid:
        # The register, the mark, one file, and not the other.
        vars(safe_copies)["replace_private"] = dying_at(4)
        with suppress(BaseException):
            write_copy(store, target, "the safe")
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert sorted(file.name for file in target.iterdir()) == ["1.key", "copy-1"]
    assert [copy.destroyed for copy in copies_in(store)] == [""]
    write_copy(store, target, "the safe")
    assert [bool(copy.destroyed) for copy in copies_in(store)] == [True, False]


def test_another_medium_at_the_same_place_is_another_copy(
    store: KeyStore, medium: Path, tmp_path: Path
) -> None:
    target = medium / "copy"
    write_copy(store, target, "the safe")
    target.rename(tmp_path / "in the safe")
    write_copy(store, target, "the bank")
    assert [copy.destroyed for copy in copies_in(store)] == ["", ""]
    write_copy(store, target, "the bank")
    assert [bool(copy.destroyed) for copy in copies_in(store)] == [False, True, False]
    assert sorted(file.name for file in target.iterdir()) == ["1.key", "1.keys", "copy-3"]


def dying_at(number: int) -> Callable[[Path, bytes], None]:
    calls = count(1)

    def replace_or_die(path: Path, content: bytes) -> None:
        if next(calls) == number:
            os._exit(9)
        replace_private(path, content)

    return replace_or_die


def test_no_copy_where_git_or_this_machine_keeps_it(
    environment: Any, store: KeyStore, medium: Path
) -> None:
    for place in (environment.store_directory, Path(__file__).parent):
        with pytest.raises(PasInfraError, match="is no safe place"):
            make_copy(environment, HOST, place, "")
    environment.directory = medium
    with pytest.raises(PasInfraError, match="is no safe place"):
        make_copy(environment, HOST, medium, "")
    assert copies_in(store) == []


def test_nothing_to_copy_and_nothing_to_destroy(environment: Any, medium: Path) -> None:
    assert list_copies(environment, HOST).exit_code is ExitCode.OK
    with pytest.raises(PasInfraError, match="has no key, so there is nothing"):
        make_copy(environment, HOST, medium, "")
    with pytest.raises(PasInfraError, match="no copy 3 of the key store of rbx7"):
        note_destroyed(environment, HOST, 3)


def test_a_damaged_register_is_said(environment: Any, store: KeyStore) -> None:
    (store.directory / "copies.json").write_text("[{}]")
    with pytest.raises(PasInfraError, match="register of the key store's copies is damaged"):
        list_copies(environment, HOST)


def test_whoever_destroys_one_is_written_down(
    environment: Any, store: KeyStore, medium: Path
) -> None:
    _, copy = make_copy(environment, HOST, medium, "the safe")
    _, gone = note_destroyed(environment, HOST, 1)
    assert list(Path(copy.directory).iterdir()) == []
    assert gone.destroyed_by
    assert gone.destroyed
    assert note_destroyed(environment, HOST, 1)[1] == gone


def test_what_lies_there_of_a_later_one_stays(
    environment: Any, store: KeyStore, medium: Path
) -> None:
    make_copy(environment, HOST, medium, "")
    _, later = make_copy(environment, HOST, medium, "")
    note_destroyed(environment, HOST, 1)
    assert KeyStore(Path(later.directory), WORDS).keys() == store.keys()


def copy_of(number: int, made: str, generation: int) -> SafeCopy:
    return SafeCopy(number, "/x", "x", made, "me", generation, "0" * 64)


def test_which_copies_have_a_key() -> None:
    every = [
        copy_of(1, "2026-01-01", 1),  # before the key, and its store key opens none of its stores
        copy_of(2, "2026-03-01", 1),
        copy_of(3, "2026-03-02", 2),
        copy_of(4, "2026-01-02", 2),  # before the key, with the store key that opens it
        copy_of(5, "2026-05-01", 3),  # after its end
    ]
    assert [one.number for one in with_key_of(every, "2026-02-01", 2)] == [2, 3, 4]


def test_no_certificate_while_a_copy_is_left(
    environment: Any, store: KeyStore, medium: Path
) -> None:
    _, copy = make_copy(environment, HOST, medium, "the safe")
    journal = Journal.begin(environment, ALPHA, "me")
    made = store.keys()["alpha"].made
    at = "2026-11-26T02:00:00+00:00"
    journal.keep("confirmed", at, 7, key_made=made, keys_since=made, generation=1)
    work = Erasure(environment, ALPHA, HOST, store, journal, HOST)
    store.remove("alpha")
    with pytest.raises(Incomplete, match=r"in a copy of the key store: 1 \(the safe\)") as left:
        work.fate_of_safe_copies()
    assert "keys destroyed rbx7 1" in str(left.value.next_step)
    make_copy(environment, HOST, medium, "the safe")
    (fate,) = work.fate_of_safe_copies()
    assert replace(copy, destroyed="", destroyed_by="") == SafeCopy(
        **{**fate, "destroyed": "", "destroyed_by": ""}
    )
    assert fate["destroyed"] >= copy.made
