"""A change of a disk's passphrase that is killed anywhere: one of the two opens the disk.

With the cryptsetup of this machine, on a file; tests/e2e/lab/test_disk_keys.py has a server's disk.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from rig import SUDO

from orchestrator.keys.call import KEYS
from orchestrator.keys.header_copies import opens
from orchestrator.keys.host import luks

MEMORY = Path("/dev/shm")  # noqa: S108 - looked into, never written
LOCK = Path("/run/pas-infra/keys/lock")
COST = {"memory_mib": 32, "iterations": 4, "threads": 1}


@pytest.fixture
def device(tmp_path: Path) -> str:
    file = tmp_path / "disk"
    with file.open("wb") as made:
        made.truncate(48_000_000)
    subprocess.run(
        ["cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", *luks.cost(COST),
         "--key-file", "-", file],
        input=b"former", check=True,
    )  # fmt: skip
    return str(file)


def change(device: str, new: str = "new", former: str = "former") -> "subprocess.Popen[str]":
    """Begin it as a host does: a Python that reads all it is to do from stdin."""
    asked = KEYS.question(
        {"what": "passphrase", "device": device, "new": new, "former": former, "derivation": COST}
    )
    process = subprocess.Popen(
        [*SUDO, sys.executable, "-I", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(asked.script)
    process.stdin.close()
    process.stdin = None
    return process


def changed(device: str, new: str = "new", former: str = "former") -> dict[str, object]:
    said, _ = change(device, new, former).communicate(timeout=120)
    found: dict[str, object] = json.loads(said)
    return found


def header_sum(device: str) -> str:
    """Of a copy in a file of its own, as anybody makes one."""
    copy = Path(f"{device}.{time.monotonic_ns()}")
    subprocess.run(
        ["cryptsetup", "luksHeaderBackup", device, "--header-backup-file", copy], check=True
    )
    return hashlib.sha256(copy.read_bytes()).hexdigest()


def headers_in_memory() -> set[Path]:
    """Copies of headers that lie where every process of root's could read them."""
    found = set()
    for file in MEMORY.rglob("*"):
        with suppress(OSError):
            if file.is_file() and file.open("rb").read(4) == b"LUKS":
                found.add(file)
    return found


def slots(device: str) -> list[str]:
    return list(luks.metadata(device)["keyslots"])


STEPS = 12  # moments at which it is killed


def test_the_new_passphrase_takes_the_formers_place(device: str) -> None:
    said = changed(device)
    assert (said["added"], said["removed"], said["strangers"]) == (True, [0], [])
    assert said["sha256"] == header_sum(device)
    assert luks.opened_by(device, "new") == said["slot"]
    assert luks.opened_by(device, "former") is None
    again = changed(device)
    assert (again["added"], again["removed"]) == (False, [])
    assert again["sha256"] == said["sha256"], "a second call wrote to the header"


def test_killed_anywhere_it_leaves_a_key_and_goes_on(device: str) -> None:
    started = time.monotonic()
    changed(device)
    whole = time.monotonic() - started
    new, former = "former", "new"
    added = removed = 0
    before = headers_in_memory()
    for step in range(STEPS):
        process = change(device, new, former)
        time.sleep(whole * (step + 1) / STEPS)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        opened = [word for word in (new, former) if luks.opened_by(device, word) is not None]
        assert opened, f"nothing opens it, killed after {whole * (step + 1) / STEPS:.2f} s"
        added += new in opened
        removed += former not in opened
        assert headers_in_memory() == before
        changed(device, new, former)
        assert len(slots(device)) == 1
        assert luks.opened_by(device, new) is not None
        new, former = former, new
    assert added > 0, "it was always killed before it had done anything"
    assert removed < STEPS, "it was always killed after it had done everything"


def test_a_copy_of_a_header_that_is_tried_is_left_nowhere(device: str, tmp_path: Path) -> None:
    """Whoever tries it on the control node may be killed as well."""
    copy, before = tmp_path / "copy", headers_in_memory()
    subprocess.run(
        ["cryptsetup", "luksHeaderBackup", device, "--header-backup-file", copy], check=True
    )
    assert opens(copy.read_bytes(), "former")
    assert not opens(copy.read_bytes(), "another")
    assert not opens(b"", "former")
    for step in range(6):
        pid = os.fork()
        if not pid:
            while True:
                opens(copy.read_bytes(), "former")
        time.sleep(0.05 + 0.1 * step)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert headers_in_memory() == before


def test_no_key_goes_that_nobody_knows(device: str) -> None:
    with luks.pipe("former") as old, luks.pipe("of somebody else's") as other:
        luks.cryptsetup(
            "luksAddKey", "--batch-mode", *luks.cost(COST), "--key-file", old.path, device,
            other.path, pipes=(old, other),
        )  # fmt: skip
    said = changed(device)
    assert said["strangers"] == [1]
    assert luks.opened_by(device, "of somebody else's") == 1
    assert luks.opened_by(device, "former") is None


def test_a_slot_that_opens_no_data_is_nobodys(device: str) -> None:
    """As a change of the volume key leaves one that is cut short before it has begun."""
    with luks.pipe("former") as key:
        luks.cryptsetup(
            "luksAddKey", "--batch-mode", "--unbound", "--key-size", "512", *luks.cost(COST),
            device, key.path, pipes=(key,),
        )  # fmt: skip
    assert len(slots(device)) == 2
    said = changed(device)
    assert said["strangers"] == []
    assert slots(device) == [str(said["slot"])]


def test_two_calls_never_work_at_once(device: str) -> None:
    changed(device, "neither", "neither")  # whoever comes first makes the lock
    before = header_sum(device)
    holder = subprocess.Popen(
        [*SUDO, "flock", LOCK, "sh", "-c", "echo held; read -r _"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    said = changed(device)
    holder.communicate("\n")
    assert "another call changes keys here" in str(said["refused"])
    assert header_sum(device) == before


def test_two_wrong_passphrases_change_nothing(device: str) -> None:
    before = header_sum(device)
    said = changed(device, "new", "neither")
    assert "neither the new passphrase nor the former one opens it" in str(said["refused"])
    assert header_sum(device) == before


def test_no_passphrase_is_an_argument(device: str, tmp_path: Path) -> None:
    """Every process that the change starts, as the kernel lists them, and their environments."""
    process = change(device, "new-c4n4ry", "former")
    seen = set()
    while process.poll() is None:
        for place in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    text = (place / name).read_bytes()
                except OSError:
                    continue
                assert b"new-c4n4ry" not in text
                seen.add(text.split(b"\0")[0])
    assert b"cryptsetup" in seen, "nobody looked while it ran"
