"""The end of a client's volume. Runs on the host, as root."""

import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

from orchestrator.clients.host.volumes import device_of, mapping, mounted, volumes
from orchestrator.keys.host.luks import Refused, last, metadata, opened_by, pipe, run

# A header of LUKS2 with its slots has 16 MiB; nothing stops whoever made one from a larger.
_LEAST_HEADER = 32 * 2**20
_BLOCK = 4 * 2**20
# What cryptsetup says of a device that nothing opens any more.
_NOT_OPENED = ("No usable keyslot", "No key available", "not a valid LUKS device")


def describe(name: str, group: str, key: str) -> dict[str, Any]:
    """What there is to be erased, which the key opens; an empty answer where there is no volume.

    Raises Refused where it does not, and where something else holds a copy of the volume.
    """
    run("vgs", group)
    if name not in (found := volumes(group)):
        return {}
    device = device_of(name, group)
    if found[name]["new"]:
        return {"device": device, "size": found[name]["size"], "slots": 0}
    snapshots = run(
        "lvs", "--noheadings", "--options", "lv_name", "--select", f"origin=client_{name}", group
    ).split()
    if snapshots:
        raise Refused(f"{device} has snapshots, which keep its header: {', '.join(snapshots)}")
    header = metadata(device)
    if opened_by(device, key) is None:
        raise Refused(f"the key of {name} does not open {device}: nothing could be proven of it")
    slots = header["keyslots"].values()
    return {
        "device": device,
        "size": found[name]["size"],
        "uuid": run("cryptsetup", "luksUUID", device).strip(),
        "cipher": header["segments"]["0"]["encryption"],
        "key_bits": max(slot["key_size"] * 8 for slot in slots),
        "slots": len(slots),
    }


def erase(name: str, group: str, key: str, uuid: str, *, overwrite: bool) -> dict[str, Any]:
    """Erase every key slot and the header, and prove that the key opens nothing any more.

    With `overwrite`, all of the volume is written over as well. Cut short anywhere, the next call
    goes on. Raises Refused when it could be opened still, and when it is not there, or another one
    than that `uuid`.
    """
    if name not in (found := volumes(group)):
        raise Refused(f"the volume of {name} has vanished: nothing could be proven of it")
    device, size, proof = device_of(name, group), int(found[name]["size"]), []
    if uuid and is_luks(device):
        now = run("cryptsetup", "luksUUID", device).strip()
        if now != uuid:
            raise Refused(f"{device} is {now}, and not {uuid}, which was to be erased")
    close(name)
    header = _LEAST_HEADER
    if is_luks(device):
        header = max(header, int(metadata(device)["segments"]["0"]["offset"]))
        run("cryptsetup", "luksErase", "--batch-mode", device)
        if left := metadata(device)["keyslots"]:
            raise Refused(f"{device} has {len(left)} key slots still")
        refuse_open(device, key)
        proof.append("slots")
    written = size if overwrite else min(header, size)
    write_over(device, written)
    if is_luks(device):
        raise Refused(f"{device} has a header of LUKS still")
    refuse_open(device, key)
    proof.append("header")
    return {"proof": proof, "overwritten": written, "whole": written == size}


def drop(name: str, group: str) -> dict[str, Any]:
    """Remove the volume, of which nothing can be read; raises Refused while it has a header."""
    run("vgs", group)
    if name in volumes(group):
        if is_luks(device_of(name, group)):
            raise Refused(f"{device_of(name, group)} has a header of LUKS still")
        run("lvremove", "--quiet", "--yes", f"{group}/client_{name}")
    return {}


def close(name: str) -> None:
    """Stop what runs for a client, unmount their volume and take its key out of the kernel."""
    run("systemctl", "stop", f"client-{name}-*", f"clients-{name}.slice")
    if mounted(name):
        run("systemctl", "stop", f"srv-clients-{name}.mount")
    if mounted(name):
        run("umount", f"/srv/clients/{name}")
    if mapping(name).exists():
        run("cryptsetup", "close", mapping(name).name)
    if mapping(name).exists():
        raise Refused(f"{mapping(name)} is open still")


def refuse_open(device: str, key: str) -> None:
    """Raises Refused when the key opens a device, or when it could not be tried."""
    with pipe(key) as end:
        tried = subprocess.run(
            ["cryptsetup", "open", "--test-passphrase", "--key-file", end.path, device],
            pass_fds=(end.number,), capture_output=True, text=True, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    if tried.returncode == 0:
        raise Refused(f"{device} opens still")
    if not any(words in tried.stderr for words in _NOT_OPENED):
        raise Refused(f"whether {device} opens could not be tried: {last(tried)}")


def write_over(device: str, size: int) -> None:
    """Write random bytes over the beginning of a device, down to the disk."""
    with Path(device).open("r+b", buffering=0) as opened:
        left = size
        while left:
            written = opened.write(secrets.token_bytes(min(left, _BLOCK)))
            left -= written or 0
        os.fsync(opened.fileno())


def is_luks(device: str) -> bool:
    """Whether a device begins with a header of LUKS."""
    done = subprocess.run(["cryptsetup", "isLuks", device], capture_output=True, check=False)
    return done.returncode == 0
