"""What LUKS devices a host has, and cryptsetup with keys that nobody sees.

Runs on the host, as root; passphrases go on to cryptsetup through pipes: none is an argument, a
variable of the environment or a file.
"""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

_WRONG = 2  # cryptsetup: no key slot opens with this passphrase
# What it says in place of that where slots of no data are beside the others.
_NO_SLOT = "No usable keyslot"
# In a file system in memory that is nobody else's, and goes with the process, however that ends.
_SUM = (
    'mount -t tmpfs -o mode=0700 tmpfs /dev/shm && cryptsetup luksHeaderBackup "$1" '
    "--header-backup-file /dev/shm/header && sha256sum < /dev/shm/header"
)
_UNDER_WAY = "online-reencrypt"  # the requirement that a header has while it is re-encrypted


class Refused(Exception):
    """Why nothing, or nothing more, was changed."""


def listed() -> list[dict[str, Any]]:
    """UUID, label, path and mappings of each LUKS device; a mirror's members are not the device.

    `system`: whether / lies there, so that the initramfs opens it.
    """
    columns = "NAME,PATH,TYPE,FSTYPE,UUID,LABEL,MOUNTPOINTS"
    tree = json.loads(run("lsblk", "--json", "--output", columns))
    found: dict[str, dict[str, Any]] = {}

    def look_below(nodes: list[dict[str, Any]]) -> None:
        for node in nodes:
            children = node.get("children", [])
            if node["fstype"] == "crypto_LUKS":
                opened = [child["name"] for child in children if child["type"] == "crypt"]
                one = {
                    "uuid": node["uuid"],
                    "label": node["label"] or "",
                    "path": node["path"],
                    "opened": opened,
                    "system": carries_root(node),
                }
                if found.setdefault(node["uuid"], one)["path"] != node["path"]:
                    raise Refused(
                        f"{found[node['uuid']]['path']} and {node['path']} say that they are the "
                        "same encrypted device: remove the copy, or give it a UUID of its own"
                    )
            look_below(children)

    look_below(tree["blockdevices"])
    return list(found.values())


def carries_root(node: dict[str, Any]) -> bool:
    """Whether / is mounted from a device, or from one that stands on it."""
    return "/" in node["mountpoints"] or any(map(carries_root, node.get("children", [])))


def device_of(uuid: str) -> str:
    """The path of a device; raises Refused for one that is not there."""
    for one in listed():
        if one["uuid"] == uuid:
            return str(one["path"])
    raise Refused(f"there is no encrypted device {uuid}")


def metadata(device: str) -> dict[str, Any]:
    """The metadata of a LUKS2 header, as cryptsetup writes them."""
    found: dict[str, Any] = json.loads(
        run("cryptsetup", "luksDump", "--dump-json-metadata", device)
    )
    return found


def under_way(device: str) -> bool:
    """Whether the header says that its device is partly under a new volume key."""
    required = metadata(device)["config"].get("requirements", {}).get("mandatory", [])
    return any(name.startswith(_UNDER_WAY) for name in required)


def header_sum(device: str) -> str:
    """The SHA-256 of the header with its key slots, as role encryption keeps it in escrow."""
    return run("unshare", "--mount", "sh", "-c", _SUM, "sh", device).split()[0]


def opened_by(
    device: str, passphrase: str, slot: int | None = None, *, descriptor: int | None = None
) -> int | None:
    """The slot that the passphrase opens, of all or of one; None when it opens none.

    `descriptor` is an open file that `device` is the path of, in the process that opens it.
    """
    only = [] if slot is None else ["--key-slot", str(slot)]
    if not passphrase:
        return None
    with pipe(passphrase) as key:
        handed_on = (key.number,) if descriptor is None else (key.number, descriptor)
        done = subprocess.run(
            ["cryptsetup", "open", "--test-passphrase", "--verbose", *only, "--key-file", key.path,
             device],
            pass_fds=handed_on, capture_output=True, text=True, check=False, env=_environment(),
        )  # fmt: skip
    if done.returncode == _WRONG or _NO_SLOT in done.stderr:
        return None
    found = re.search(r"[Kk]ey slot (\d+) unlocked", done.stdout + done.stderr)
    if done.returncode != 0 or not found:
        raise Refused(
            f"cryptsetup open --test-passphrase ended with {done.returncode}: {last(done)}"
        )
    return int(found.group(1))


class Pipe:
    """The reading end of a pipe that holds a key, and the path under which a child opens it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.path = f"/dev/fd/{number}"


@contextlib.contextmanager
def pipe(key: str) -> Iterator[Pipe]:
    """A key in a pipe: it is in the kernel until it is read, and nowhere else."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as end:
            end.write(key.encode())
        yield Pipe(reading)
    finally:
        os.close(reading)


def cost(derivation: dict[str, int]) -> list[str]:
    """What a key costs to try, as options of cryptsetup."""
    return [
        "--pbkdf", "argon2id",
        "--pbkdf-memory", str(derivation["memory_mib"] * 1024),
        "--pbkdf-force-iterations", str(derivation["iterations"]),
        "--pbkdf-parallel", str(derivation["threads"]),
    ]  # fmt: skip


def cryptsetup(*arguments: str, pipes: tuple[Pipe, ...]) -> None:
    """Run it with keys in pipes; raises Refused when it fails."""
    done = subprocess.run(
        ["cryptsetup", *arguments],
        pass_fds=[one.number for one in pipes],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    if done.returncode != 0:
        raise Refused(f"cryptsetup {arguments[0]} ended with {done.returncode}: {last(done)}")


def kill_slot(device: str, slot: int, passphrase: str) -> None:
    """Overwrite a slot and take it off the header; the passphrase is that of one which stays."""
    with pipe(passphrase) as key:
        cryptsetup(
            "luksKillSlot", "--batch-mode", "--key-file", key.path, device, str(slot), pipes=(key,)
        )


def run(*command: str, stdin: str = "") -> str:
    """What a command prints, and what it reads is no secret; raises Refused when it fails."""
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
    except FileNotFoundError:
        raise Refused(f"{command[0]} is not installed here") from None
    if done.returncode != 0:
        raise Refused(f"{' '.join(command[:2])} ended with {done.returncode}: {last(done)}")
    return done.stdout


def last(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a command said."""
    return ((done.stderr.strip() or done.stdout.strip()).splitlines() or ["it says nothing"])[-1]


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
