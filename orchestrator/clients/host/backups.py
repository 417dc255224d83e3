"""What is left of the backups of a client. Runs on the source and on the target, as root."""

import fcntl
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

# Of role backup_source.
_KEYS = Path("/etc/pas-infra/backup/keys")
_STATE = Path("/var/lib/pas-infra/backup")
_JOB = Path("/run/pas-infra-backup/job.sock")
# Of role backup_target.
_DECLARED = Path("/etc/pas-infra/backup-target")
_NAME = re.compile(r"client-[a-z][a-z0-9-]*")


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What there is of a repository at one of its two ends; with `forget`, no more afterwards."""
    name, source, forget = request["name"], request["source"], request["forget"]
    if not _NAME.fullmatch(name):
        return {"refused": f"{name} is no repository of a client"}
    if request["end"] == "source":
        return at_source(name, forget=forget)
    return at_target(name, source, forget=forget)


def at_source(name: str, *, forget: bool) -> dict[str, Any]:
    """How many files hold its key; they are written over before they go, with borg's own notes."""
    keys = [file for file in _KEYS.glob("*") if is_of(file.name, name)]
    if forget and is_worked_with():
        return {"refused": "somebody works with the backups of this host: wait until it has ended"}
    if forget:
        for file in keys:
            write_over(file)
            file.unlink()
        if _KEYS.exists():
            persist(_KEYS)
        # Of a restore that was tried and cut short, files may lie there.
        for place in (_STATE / "borg" / name, _STATE / "restored"):
            if place.exists():
                shutil.rmtree(place)
        for file in (_STATE / "manifests" / f"{name}.json", _STATE / "catalogue" / f"{name}.jsonl"):
            file.unlink(missing_ok=True)
    return {"keys": len(keys)}


def at_target(name: str, source: str, *, forget: bool) -> dict[str, Any]:
    """How large the repository is, in bytes, and of how many days root has kept a copy."""
    declared = _DECLARED / f"{source}.json"
    if not declared.exists():
        return {"refused": f"{source} is no source here: what another target holds of it is there"}
    asked = json.loads(declared.read_text("utf-8"))
    place, kept = Path(asked["place"]), Path(asked["kept"])
    with (place / ".lock").open() as alone:
        if forget:
            fcntl.flock(alone, fcntl.LOCK_EX)
        copies = [day / name for day in days_of(kept) if (day / name).is_dir()]
        said = {"size": sum(sizes(place / name)), "copies": len(copies)}
        if forget:
            for directory in (place / name, place / ".recalled" / name, *copies):
                remove(directory)
    return said


def is_of(file: str, name: str) -> bool:
    """Whether a file is of this key: also one that a cut has left, under a hidden name."""
    return file.lstrip(".").split(".")[0] == name


def is_worked_with() -> bool:
    """Whether a job of ours waits or works here."""
    with socket.socket(socket.AF_UNIX) as other:
        return other.connect_ex(str(_JOB)) == 0


def days_of(kept: Path) -> Iterable[Path]:
    """Root's copies, an unfinished one among them."""
    return [one for one in kept.glob("*") if one.is_dir() and not one.is_symlink()]


def sizes(directory: Path) -> Iterator[int]:
    """The sizes of all files below a directory."""
    for there, _, files in os.walk(directory):
        yield from (os.lstat(f"{there}/{file}").st_size for file in files)


def remove(directory: Path) -> None:
    """Remove a directory of somebody else's; what is not there need not be."""
    if directory.is_dir() and not directory.is_symlink():
        shutil.rmtree(directory)


def write_over(file: Path) -> None:
    """Write random bytes over a file, down to the disk."""
    with file.open("r+b", buffering=0) as opened:
        opened.write(secrets.token_bytes(file.stat().st_size))
        os.fsync(opened.fileno())


def persist(directory: Path) -> None:
    """Bring the names in a directory down to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
