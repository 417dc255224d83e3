"""Checks of role encryption: what lies in clear, how the rest is encrypted, who has keys."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from conftest import Answers
from declared import Declared

pytestmark = pytest.mark.needs_full_kernel

Node = Mapping[str, Any]
# What carries others, and so holds data only in what stands on it.
CARRIERS = {None, "crypto_LUKS", "linux_raid_member", "LVM2_member"}


@pytest.fixture(scope="module")
def disks(answers: Answers) -> list[Node]:
    """What the kernel knows of block devices, each below what it stands on."""
    columns = "NAME,PATH,TYPE,FSTYPE,UUID,MOUNTPOINTS"  # without NAME it is no tree
    listed: list[Node] = json.loads(answers(f"lsblk --json --output {columns}"))["blockdevices"]
    return listed


@pytest.fixture(scope="module")
def headers(answers: Answers, disks: list[Node]) -> Mapping[str, Any]:
    """The header of every LUKS device, by its path."""
    paths = sorted({node["path"] for node, _ in below(disks) if node["fstype"] == "crypto_LUKS"})
    return {
        path: json.loads(answers(f"cryptsetup luksDump --dump-json-metadata {path}"))
        for path in paths
    }


def below(nodes: list[Node], *, encrypted: bool = False) -> Iterator[tuple[Node, bool]]:
    """Every device, with whether it lies under an encrypted one."""
    for node in nodes:
        here = encrypted or node["type"] == "crypt"
        yield node, here
        yield from below(node.get("children", []), encrypted=here)


@pytest.mark.pas("6.1.1")
def test_data_lies_encrypted(disks: list[Node], declared: Declared) -> None:
    """No file system and no swap lies in clear, mounted or not, but for what boots."""
    clear = set(declared["encryption_clear"])
    found = {}
    for node, encrypted in below(disks):
        places = [place for place in node["mountpoints"] if place]
        if encrypted or (node["fstype"] in CARRIERS and not places):
            continue
        if not places or not set(places) <= clear:
            found[node["path"]] = (
                f"{node['path']} ({node['fstype']}, {' '.join(places) or 'not mounted'})"
            )
    assert not found, f"in clear: {', '.join(found.values())}"


@pytest.mark.pas("6.1.2")
def test_encryption_is_as_declared(headers: Mapping[str, Any], declared: Declared) -> None:
    """Every device has the declared cipher, size of key and derivation, in each of its slots."""
    faults = []
    for path, header in headers.items():
        faults += [
            f"{path} is encrypted with {segment['encryption']}"
            for segment in header["segments"].values()
            if segment["encryption"] != declared["encryption_cipher"]
        ]
        for number, slot in header["keyslots"].items():
            if slot["key_size"] * 8 != declared["encryption_key_bits"]:
                faults.append(f"{path} has a volume key of {slot['key_size'] * 8} bits")
            faults += [
                f"slot {number} of {path} {fault}" for fault in derivation(slot["kdf"], declared)
            ]
    assert not faults, "; ".join(faults)


def derivation(kdf: Mapping[str, Any], declared: Declared) -> list[str]:
    if kdf["type"] != "argon2id":
        return [f"derives its key with {kdf['type']}"]
    memory, passes = kdf["memory"] // 1024, kdf["time"]
    found = []
    if memory < declared["encryption_argon2_memory_mib"]:
        found.append(f"derives its key with {memory} MiB")
    if passes < declared["encryption_argon2_iterations"]:
        found.append(f"derives its key with {passes} passes")
    return found


@pytest.mark.pas("6.1.2")
def test_kernel_encrypts_as_the_headers_say(
    answers: Answers, disks: list[Node], declared: Declared
) -> None:
    """What is open is open with the declared cipher and size of key, which only the kernel has."""
    wanted = {
        "cipher": declared["encryption_cipher"],
        "keysize": f"{declared['encryption_key_bits']} bits",
        "key location": "keyring",
    }
    faults = []
    for path in sorted({node["path"] for node, _ in below(disks) if node["type"] == "crypt"}):
        lines = answers(f"LC_ALL=C cryptsetup status {path}").splitlines()
        said = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
        faults += [
            f"{path} is open with {key} {said.get(key, 'unknown')}"
            for key, value in wanted.items()
            if said.get(key) != value
        ]
    assert not faults, "; ".join(faults)


@pytest.mark.pas("6.4.1")
def test_keys_are_as_many_as_declared(headers: Mapping[str, Any], declared: Declared) -> None:
    """Nobody has a key to a device whom nobody declared."""
    wanted = declared["encryption_key_slots"]
    others = {p: len(h["keyslots"]) for p, h in headers.items() if len(h["keyslots"]) != wanted}
    assert not others, "; ".join(
        f"{path} has {count} keys, not {wanted}" for path, count in others.items()
    )


@pytest.mark.pas("6.4.2")
def test_headers_are_in_escrow(
    answers: Answers, headers: Mapping[str, Any], disks: list[Node]
) -> None:
    """The control node has each header as it is now: without it no key opens anything."""
    noted = json.loads(answers("cat /etc/pas-infra/escrow.json 2> /dev/null || echo '{}'"))
    uuids = {node["path"]: node["uuid"] for node, _ in below(disks)}
    stale = []
    for path in headers:
        # Straight from the disk: a header that somebody has restored is seen, too.
        now = answers(
            f"f=$(mktemp -u -p /dev/shm) && cryptsetup luksHeaderBackup {path} "
            "--header-backup-file $f && sha256sum < $f; rm -f $f"
        ).split()[:1]
        if [noted.get(uuids[path])] != now:
            stale.append(path)
    assert not stale, (
        f"not in escrow as it is now: {', '.join(stale)}; pas-infra apply --role encryption"
    )
