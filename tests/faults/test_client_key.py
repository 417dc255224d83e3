"""A change of a client's key that is killed anywhere: a key that is kept opens their volume.

The key store's and the host's part, one after the other as `client rotate` has them, with the
cryptsetup of this machine on a file.
"""

import os
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import PasInfraError
from orchestrator.keys.header_copies import opens
from orchestrator.keys.host import luks
from orchestrator.keys.host.passphrase import change_passphrase
from orchestrator.keys.key_store import KeyStore

WORDS = "a passphrase of the tests, long enough"
NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
COST = {"memory_mib": 32, "iterations": 4, "threads": 1}


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    made = KeyStore(tmp_path / "keys", WORDS)
    made.add("alpha", "rbx7:system", NOW)
    return made


@pytest.fixture
def device(tmp_path: Path, store: KeyStore) -> str:
    file = tmp_path / "volume"
    with file.open("wb") as made:
        made.truncate(48_000_000)
    subprocess.run(
        ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", *luks.cost(COST),
         "--key-file", "-", file],
        input=store.key_of("alpha").encode(), check=True,
    )  # fmt: skip
    return str(file)


def rotate(store: KeyStore, device: str) -> None:
    key = store.begin_change("alpha")
    change_passphrase(device, key.next, key.key, COST)
    store.end_change("alpha", NOW)


def test_the_former_key_opens_nothing_but_old_copies(
    store: KeyStore, device: str, tmp_path: Path
) -> None:
    former, copy = store.key_of("alpha"), tmp_path / "copy"
    subprocess.run(
        ["cryptsetup", "luksHeaderBackup", device, "--header-backup-file", copy], check=True
    )
    rotate(store, device)
    assert luks.opened_by(device, former) is None
    assert luks.opened_by(device, store.key_of("alpha")) is not None
    # The reason for which escrow and key store are renewed.
    assert opens(copy.read_bytes(), former)
    assert not opens(copy.read_bytes(), store.key_of("alpha"))


def test_killed_anywhere_a_key_is_kept_that_opens_it(store: KeyStore, device: str) -> None:
    started = time.monotonic()
    rotate(store, device)
    whole = time.monotonic() - started
    steps, unfinished = 8, 0
    for step in range(steps):
        former = store.keys()["alpha"].words
        pid = os.fork()
        if not pid:
            os.setsid()
            rotate(store, device)
            os._exit(0)
        time.sleep(whole * (step + 1) / steps)
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kept = store.keys()["alpha"]
        opening = [word for word in kept.words if luks.opened_by(device, word) is not None]
        assert opening, f"killed after {whole * (step + 1) / steps:.2f} s"
        if kept.next:
            unfinished += 1
            with pytest.raises(PasInfraError, match="was begun and has not ended"):
                store.key_of("alpha")
        rotate(store, device)
        assert len(luks.metadata(device)["keyslots"]) == 1
        assert luks.opened_by(device, store.key_of("alpha")) is not None
        assert store.key_of("alpha") not in former
    assert unfinished > 0, "it was always killed before or after it"
