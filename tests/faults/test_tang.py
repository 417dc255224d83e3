"""A disk is bound to a Tang server, and that is killed anywhere: its passphrase opens it.

On a host with a Tang of its own; tests/e2e/lab/test_tang.py has a server that starts by one.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from rig import HOST, Rig

from orchestrator.keys.call import KEYS
from orchestrator.keys.host.tokens import Binding, bindings

OWN: dict[str, Any] = {"passphrase": "own"}
NEW: dict[str, Any] = {"passphrase": "new"}
URL = "http://127.0.0.1:80"
COST = {"memory_mib": 32, "iterations": 4, "threads": 1}
PLACE = "/srv/tang"
INSTALL = f"""
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \\
    clevis-luks cryptsetup-bin tang > /dev/null
mkdir -p {PLACE}
/usr/libexec/tangd-keygen /var/lib/tang
"""
FORMAT = f"""
truncate --size=0 {PLACE}/disk
truncate --size=48M {PLACE}/disk
printf own | cryptsetup luksFormat --batch-mode --type luks2 --pbkdf argon2id \\
    --pbkdf-memory 32768 --pbkdf-force-iterations 4 --pbkdf-parallel 1 --key-file - {PLACE}/disk
"""
THUMBPRINT = """
for key in /var/lib/tang/*.jwk; do
    if jose jwk use -i "$key" -r -u sign -o /dev/null 2> /dev/null; then jose jwk thp -i "$key"; fi
done
"""
# What Clevis itself makes of the token, as it does in an initramfs.
OPEN = f"""
clevis luks pass -d {PLACE}/disk -s %d |
    cryptsetup open --test-passphrase --key-file - {PLACE}/disk
"""


@dataclass(frozen=True)
class Disk:
    """An encrypted disk, a file's, on a host that has Tang, and the thumbprint of its key."""

    rig: Rig
    thumbprint: str

    def ask(self, what: str, *, within: float = 120, **more: object) -> dict[str, Any]:
        """What the host answers to one request; nothing where it is killed before."""
        request = {"what": what, "device": f"{PLACE}/disk", **more}
        ssh = ["ssh", "-F", str(self.rig.lab_directory / "ssh_config"), HOST]
        done = subprocess.run(
            [*ssh, f"sudo -n timeout --signal=KILL {within:.2f} python3 -I -"],
            input=KEYS.question(request).script,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return found

    def bind(self, *, within: float = 120, **more: object) -> dict[str, Any]:
        usual = {
            **OWN,
            "url": URL,
            "thumbprint": self.thumbprint,
            "derivation": COST,
        }
        return self.ask("bind", within=within, **{**usual, **more})

    def unbind(self) -> dict[str, Any]:
        return self.ask("unbind", **OWN)

    def header(self) -> dict[str, Any]:
        said = self.rig.root(f"cryptsetup luksDump --dump-json-metadata {PLACE}/disk").stdout
        found: dict[str, Any] = json.loads(said)
        return found

    def bound(self) -> list[Binding]:
        return bindings(self.header())

    def is_opened_by(self, passphrase: str) -> bool:
        test = f"cryptsetup open --test-passphrase --key-file - {PLACE}/disk"
        return self.rig.root(f"printf {passphrase} | {test}", code=None).code == 0


@pytest.fixture(scope="module")
def host(rig: Rig) -> Rig:
    rig.root(INSTALL)
    return rig


@pytest.fixture
def disk(host: Rig) -> Iterator[Disk]:
    yield Disk(host, host.root(f"{FORMAT}{THUMBPRINT}").stdout.strip())
    host.root("systemctl start tangd.socket")


def test_tang_opens_it_and_the_passphrase_does(disk: Disk) -> None:
    said = disk.bind()
    assert (said["slot"], said["added"], said["removed"]) == (1, True, [])
    (binding,) = disk.bound()
    assert binding.is_of(URL, disk.thumbprint)
    disk.rig.root(OPEN % 1)
    assert disk.is_opened_by("own")
    kdf = disk.header()["keyslots"]["1"]["kdf"]
    assert (kdf["type"], kdf["memory"], kdf["time"]) == ("argon2id", 32768, 4)
    again = disk.bind()
    assert (again["added"], again["sha256"]) == (False, said["sha256"])


def test_nobody_is_trusted_because_he_answers(disk: Disk) -> None:
    before = disk.header()
    assert "Tang at http://127.0.0.1:80" in disk.bind(thumbprint="A" * 43)["refused"]
    assert "does not open it" in disk.bind(**NEW)["refused"]
    disk.rig.root("systemctl stop tangd.socket")
    assert "Unable to fetch" in disk.bind()["refused"]
    assert disk.header() == before


@pytest.mark.full
def test_killed_anywhere_it_leaves_the_passphrase_and_goes_on(disk: Disk) -> None:
    started = time.monotonic()
    disk.bind()
    whole = time.monotonic() - started
    disk.unbind()
    cut = 0
    for step in range(4):
        disk.bind(within=whole * (step + 1) / 4)
        assert disk.is_opened_by("own")
        cut += not disk.bound()
        said = disk.bind()
        header = disk.header()
        assert [one.slots for one in bindings(header)] == [(said["slot"],)]
        assert set(header["keyslots"]) == {"0", str(said["slot"])}
        assert len(header["tokens"]) == 1, "a note of what was begun is left"
        disk.unbind()
        header = disk.header()
        assert (set(header["keyslots"]), header["tokens"]) == ({"0"}, {})
    assert cut > 0, "it was never killed before it had done everything"


@pytest.mark.full
def test_another_key_of_tang_takes_the_formers_place(disk: Disk) -> None:
    former = disk.bind()
    rotate = f"/usr/libexec/tangd-rotate-keys -d /var/lib/tang\n{THUMBPRINT}"
    later = disk.rig.root(rotate).stdout.strip()
    said = disk.bind(thumbprint=later)
    assert (said["added"], said["removed"]) == (True, [former["slot"]])
    (binding,) = disk.bound()
    assert binding.is_of(URL, later)


def test_a_changed_passphrase_leaves_tang_and_a_volume_key_waits_for_it(disk: Disk) -> None:
    slot = disk.bind()["slot"]
    changed = disk.ask("passphrase", new="new", former="own", derivation=COST)
    assert (changed["removed"], changed["strangers"]) == ([0], [])
    disk.rig.root(OPEN % slot)
    cipher: dict[str, Any] = {"cipher": "aes-xts-plain64", "key_bits": 512}
    refused = disk.ask("reencrypt", **NEW, derivation=COST, **cipher)["refused"]
    assert "Tang opens it too" in refused


@pytest.mark.full
def test_what_was_begun_is_nobodys_key(disk: Disk) -> None:
    """A bind that was killed leaves a slot which a change of the passphrase may remove."""
    disk.rig.root(f"""
        echo '{{"type": "pas-infra-tang", "keyslots": [], "slot": "7"}}' |
            cryptsetup token import {PLACE}/disk
        printf own > {PLACE}/own
        printf lost | cryptsetup luksAddKey --batch-mode --pbkdf argon2id --pbkdf-memory 32768 \\
            --pbkdf-force-iterations 4 --new-key-slot 7 --key-file {PLACE}/own {PLACE}/disk -
        rm {PLACE}/own
    """)
    changed = disk.ask("passphrase", new="new", former="own", derivation=COST)
    assert changed["strangers"] == []
    assert disk.header()["tokens"] == {}
    assert len(disk.header()["keyslots"]) == 1
