"""The end of a client's volume. Runs on the host, as root."""

import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

from orchestrator.clients.host.volumes import device_of, mapping, mounted, volumes
from orchestrator.keys.host.luks import Refused, metadata, pipe, run

# A header of LUKS2 with its slots has 16 MiB; nothing stops whoever made one from a larger.
_LEAST_HEADER = 32 * 2**20
_BLOCK = 4 * 2**20


def describe(name: str, group: str) -> dict[str, Any]:
    """What there is to be erased; an empty answer where there is no volume."""
    if name not in (found := volumes(group)):
        return {}
    device = device_of(name, group)
    said: dict[str, Any] = {"device": device, "size": found[name]["size"]}
    if is_luks(device):
        header = metadata(device)
        slots = header["keyslots"].values()
        said |= {
            "uuid": run("cryptsetup", "luksUUID", device).strip(),
            "cipher": header["segments"]["0"]["encryption"],
            "key_bits": max((slot["key_size"] * 8 for slot in slots), default=0),
            "slots": len(header["keyslots"]),
        }
    return said


def erase(name: str, group: str, key: str, overwrite: bool) -> dict[str, Any]:  # noqa: FBT001
    """Erase every key slot and the header, prove that the key opens nothing, drop the volume.

    With `overwrite`, all of it is written over as well. Cut short anywhere, the next call goes on.
    Raises Refused when it could be opened still.
    """
    close(name)
    if name not in (found := volumes(group)):
        return {"erased": False}
    device, size, proof = device_of(name, group), int(found[name]["size"]), []
    header = _LEAST_HEADER
    if is_luks(device):
        header = max(header, int(metadata(device)["segments"]["0"]["offset"]))
        run("cryptsetup", "luksErase", "--batch-mode", device)
        if left := metadata(device)["keyslots"]:
            raise Refused(f"{device} has {len(left)} key slots still")
        refuse_open(device, key)
        proof.append("slots")
    write_over(device, size if overwrite else min(header, size))
    if is_luks(device):
        raise Refused(f"{device} has a header of LUKS still")
    refuse_open(device, key)
    proof.append("header")
    run("lvremove", "--quiet", "--yes", f"{group}/client_{name}")
    return {"erased": True, "proof": proof, "overwritten": size if overwrite else min(header, size)}


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
    """Raises Refused when the key opens a device, whatever is left of it."""
    with pipe(key) as end:
        tried = subprocess.run(
            ["cryptsetup", "open", "--test-passphrase", "--key-file", end.path, device],
            pass_fds=(end.number,), capture_output=True, check=False,
        )  # fmt: skip
    if tried.returncode == 0:
        raise Refused(f"{device} opens still")


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
