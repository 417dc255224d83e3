"""Checks of role encryption: what lies in clear, how the rest is encrypted, who has keys."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import clevis
import pytest
from conftest import Answers
from declared import Declared

pytestmark = pytest.mark.needs_full_kernel

Node = Mapping[str, Any]
# What carries others, and so holds data only in what stands on it: nothing, when nothing does.
CARRIERS = {"linux_raid_member", "LVM2_member", "mpath_member", "bcache", "DM_integrity"}
INITRAMFS_KEYS = """
for image in /boot/initrd.img-*; do
    [ ! -e "$image" ] || lsinitramfs "$image" | grep cryptroot/keyfiles/. || :
done
"""


# Of one check each, though they ask the same (`answers` asks once): whether the host has a kernel
# of its own is looked at before these, and after what is the whole module's.
@pytest.fixture
def disks(answers: Answers) -> list[Node]:
    """What the kernel knows of block devices, each below what it stands on."""
    columns = "NAME,PATH,TYPE,FSTYPE,UUID,MOUNTPOINTS"  # without NAME it is no tree
    listed: list[Node] = json.loads(answers(f"lsblk --json --output {columns}"))["blockdevices"]
    return listed


@pytest.fixture
def mappings(answers: Answers) -> Mapping[str, list[str]]:
    """The table of everything that is open, as the kernel has it, by name: cipher, key and so on.

    Of a key in the kernel's keyring the table has the name only.
    """
    found = {}
    for line in answers("dmsetup table --target crypt").splitlines():
        # NAME: START LENGTH crypt CIPHER KEY IV DEVICE …
        name, _, table = line.partition(": ")
        if " crypt " in table:
            found[name] = table.split()[3:]
    return found


@pytest.fixture
def headers(
    answers: Answers, disks: list[Node], mappings: Mapping[str, list[str]]
) -> Mapping[str, Any]:
    """The header of every LUKS device, by its path; where nothing is encrypted, nothing is proven.

    Whether something should be is for the check of what lies in clear.
    """
    paths = sorted({node["path"] for node, _ in below(disks) if node["fstype"] == "crypto_LUKS"})
    if not paths and not mappings:
        pytest.skip("no device of this host is encrypted")
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
def test_data_lies_encrypted(answers: Answers, disks: list[Node], declared: Declared) -> None:
    """No file system and no swap lies in clear, mounted or not, but for what boots."""
    clear = set(declared["encryption_clear"])
    found = {}
    for node, encrypted in below(disks):
        places = [place for place in node["mountpoints"] if place]
        kind = node["fstype"]
        carries = kind == "crypto_LUKS" or (kind in CARRIERS and node.get("children"))
        # Compressed memory, and what is read only by its nature: a hoster's virtual drive.
        is_no_disk = node["type"] == "rom" or node["path"].startswith("/dev/zram")
        if encrypted or is_no_disk or ((kind is None or carries) and not places):
            continue
        if not places or not set(places) <= clear:
            found[node["path"]] = f"{kind or 'unknown'}, {' '.join(places) or 'not mounted'}"
    for file in answers("awk '$2 == \"file\" { print $1 }' /proc/swaps").split():
        device = answers(f"findmnt --noheadings --output SOURCE --target {file}").strip()
        if not any(
            e for node, e in below(disks) if device in (node["path"], f"/dev/{node['name']}")
        ):
            found[file] = f"swap, on {device}"
    assert not found, f"in clear: {', '.join(f'{path} ({what})' for path, what in found.items())}"


@pytest.mark.pas("6.1.2")
def test_encryption_is_as_declared(headers: Mapping[str, Any], declared: Declared) -> None:
    """Every device has the declared cipher, size of key and derivation, in each of its slots."""
    cipher, bits = declared["encryption_cipher"], declared["encryption_key_bits"]
    faults = []
    for path, header in headers.items():
        faults += [
            f"{path} is encrypted with {segment.get('encryption', 'nothing')}"
            for segment in header["segments"].values()
            if segment.get("encryption") != cipher
        ]
        for number, slot in header["keyslots"].items():
            area = slot.get("area", {})
            if slot["type"] != "luks2":
                faults.append(f"slot {number} of {path} is of the type {slot['type']}")
                continue
            if slot["key_size"] * 8 != bits:
                faults.append(f"{path} has a volume key of {slot['key_size'] * 8} bits")
            if (area["encryption"], area["key_size"] * 8) != (cipher, bits):
                faults.append(f"slot {number} of {path} lies under {area['encryption']}")
            faults += [f"slot {number} of {path} {fault}" for fault in weak(slot["kdf"], declared)]
    assert not faults, "; ".join(faults)


def weak(kdf: Mapping[str, Any], declared: Declared) -> Iterator[str]:
    if kdf["type"] != "argon2id":
        yield f"derives its key with {kdf['type']}"
        return
    memory, passes = kdf["memory"] // 1024, kdf["time"]
    if memory < declared["encryption_argon2_memory_mib"]:
        yield f"derives its key with {memory} MiB"
    if passes < declared["encryption_argon2_iterations"]:
        yield f"derives its key with {passes} passes"


@pytest.mark.pas("6.1.2")
def test_kernel_encrypts_as_declared(
    headers: Mapping[str, Any],
    disks: list[Node],
    mappings: Mapping[str, list[str]],
    declared: Declared,
) -> None:
    """What is open is open with the declared cipher, and by a header that lies on its disk."""
    cipher = declared["encryption_cipher"]
    key = f":{declared['encryption_key_bits'] // 8}:"
    faults = []
    for name, table in mappings.items():
        if table[0] != cipher:
            faults.append(f"{name} is open with {table[0]}")
        if not table[1].startswith(key):
            faults.append(
                f"{name} has another key than one of {key.strip(':')} bytes in the keyring"
            )
    for node, _ in below(disks):
        opened = [child for child in node.get("children", []) if child["type"] == "crypt"]
        faults += [
            f"{child['name']} is open, and {node['path']} has no header of LUKS"
            for child in opened
            if node["path"] not in headers
        ]
    assert not faults, "; ".join(dict.fromkeys(faults))


@pytest.mark.pas("6.4.1")
def test_keys_are_as_many_as_declared(
    headers: Mapping[str, Any], disks: list[Node], declared: Declared
) -> None:
    """As many keys open each device as are declared, Tang's among them, and nothing else does."""
    wanted = declared["encryption_key_slots"]
    systems = {node["path"] for node, _ in below(disks) if carries_root(node)}
    faults = []
    for path, header in headers.items():
        of_tang = {slot for binding in clevis.bindings(header) for slot in binding.slots}
        others = set(header["keyslots"]) - of_tang
        if len(others) != wanted:
            faults.append(f"{path} has {len(others)} keys, not {wanted}")
        kinds = [token["type"] for token in header.get("tokens", {}).values()]
        faults += [f"{path} has a token of {kind}" for kind in kinds if kind != "clevis"]
        faults += clevis.faults(path, header, declared, system=path in systems)
    assert not faults, "; ".join(faults)


def carries_root(node: Node) -> bool:
    """Whether / is mounted from a device, or from one that stands on it."""
    return "/" in node["mountpoints"] or any(map(carries_root, node.get("children", [])))


@pytest.mark.pas("6.4.2")
def test_a_hand_opens_its_disks(headers: Mapping[str, Any]) -> None:
    """Nothing but a passphrase that somebody gives opens a disk; else a waiver accepts the risk."""
    found = [
        f"{path} by Tang at {binding.url or 'an unknown place'}"
        for path, header in headers.items()
        for binding in clevis.bindings(header)
    ]
    assert not found, f"opened without a hand: {', '.join(found)}"


@pytest.mark.pas("6.4.2")
@pytest.mark.usefixtures("headers")
def test_no_key_lies_beside_its_lock(answers: Answers) -> None:
    """The next start asks for every key: none is a file that a table or an initramfs names."""
    lines = [line.split() for line in answers("cat /etc/crypttab 2> /dev/null || :").splitlines()]
    named = [
        f"/etc/crypttab opens {fields[0]} with {fields[2]}"
        for fields in lines
        if len(fields) > 2
        and not fields[0].startswith("#")
        and fields[2] not in ("none", "-")
        # Swap that is lost at every start has a key of its own, made up each time.
        and not re.fullmatch(r"/dev/u?random", fields[2])
    ]
    named += [f"an initramfs holds {file}" for file in answers(INITRAMFS_KEYS).split()]
    assert not named, "; ".join(named)


@pytest.mark.pas("6.4.2")
def test_headers_are_in_escrow(
    answers: Answers, headers: Mapping[str, Any], disks: list[Node]
) -> None:
    """Each header is still the one that was put in escrow: without it no key opens anything."""
    noted = json.loads(answers("cat /etc/pas-infra/escrow.json 2> /dev/null || echo '{}'"))
    uuids = {node["path"]: node["uuid"] for node, _ in below(disks)}
    faults = []
    for path in headers:
        # From the disk itself: what somebody has restored is another one, too.
        now = answers(
            "unshare --mount sh -c 'mount -t tmpfs -o mode=0700 tmpfs /dev/shm && cryptsetup "
            f"luksHeaderBackup {path} --header-backup-file /dev/shm/h && sha256sum < /dev/shm/h'"
        ).split()[:1]
        known = noted.get(uuids[path])
        if known is None:
            faults.append(f"the header of {path} is not in escrow")
        elif [known] != now:
            faults.append(f"the header of {path} is another one than in escrow")
    lost = sorted(set(noted) - {uuids[path] for path in headers})
    faults += [f"the device {uuid} is in escrow, and no disk has its header" for uuid in lost]
    assert not faults, "; ".join(faults)
