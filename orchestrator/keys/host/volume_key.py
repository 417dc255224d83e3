"""Another volume key for a LUKS device, while it is used. Runs on the host, as root."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.keys.host.luks import (
    Refused,
    cost,
    header_sum,
    kill_slot,
    metadata,
    opened_by,
    run,
    under_way,
)
from orchestrator.keys.host.tokens import bound_slots

_RUN = Path("/run/pas-infra/reencrypt")
# What must outlive a start: a change has ended, and its header is not in escrow yet.
_KEPT = Path("/var/lib/pas-infra/reencrypt")
_READER_WITHIN = 60  # seconds
_RUNNING = ("active", "activating", "deactivating")


def reencrypt(
    device: str, passphrase: str, derivation: dict[str, int], cipher: str, key_bits: int
) -> dict[str, Any]:
    """Begin to change the volume key, or go on where it was cut short; then see `look`.

    It runs as a unit of its own: whoever asked for it may leave. One that has ended and waits for
    its escrow (see `escrowed`) is not begun again.
    """
    if runs(device) or awaits_escrow(device):
        return look(device)
    resumed = under_way(device)
    if not resumed:
        if opened_by(device, passphrase) is None:
            raise Refused("the declared passphrase does not open it")
        drop_abandoned(device, passphrase)
        if bound_slots(device):
            raise Refused(
                "Tang opens it too, and its key would not be carried over: pas-infra keys bind "
                "--remove first, and keys bind again afterwards"
            )
        if (count := len(metadata(device)["keyslots"])) != 1:
            raise Refused(f"{count} keys open it, and one only would be carried over")
        write_note(device, volume_key(device))
    elif former(device) is None:
        # Begun by somebody else: whatever its volume key was, it is another one at the end.
        write_note(device, [])
    options = ["--resume-only"] if resumed else [
        *cost(derivation), "--cipher", cipher, "--key-size", str(key_bits),
    ]  # fmt: skip
    start(device, passphrase, options)
    return look(device)


def refuse_meanwhile(device: str) -> None:
    """Raises Refused while the volume key is being changed, or that was cut short."""
    if runs(device) or under_way(device):
        raise Refused("its volume key is being changed: end that first, with rotate --volume-key")


def start(device: str, passphrase: str, options: Sequence[str]) -> None:
    """Start the unit, and give it its key through a pipe with a name."""
    _RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    unit, key = unit_of(device), _RUN / f"{unit_of(device)}.key"
    # A failed one stays listed until somebody has seen it.
    subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)
    key.unlink(missing_ok=True)
    os.mkfifo(key, 0o600)
    try:
        run(
            "systemd-run", "--quiet", "--no-block", f"--unit={unit}",
            "--description=A new volume key for an encrypted disk",
            # Killed, it leaves a part of the disk that nobody can read until the next start.
            "--property=OOMScoreAdjust=-1000", "--property=SendSIGKILL=no",
            # Swap may lie on this very disk, which it suspends part by part.
            "--property=MemorySwapMax=0", "--property=LimitCORE=0",
            # It waits for its key before it is executed, and for no longer than this.
            "--property=Type=exec", f"--property=TimeoutStartSec={_READER_WITHIN}",
            f"--property=StandardInput=file:{key}",
            f"--property=StandardOutput=truncate:{progress_of(device)}",
            f"--property=StandardError=truncate:{errors_of(device)}",
            "cryptsetup", "reencrypt", "--batch-mode", "--progress-json",
            "--progress-frequency", "2", "--key-file", "-", *options, device,
        )  # fmt: skip
        write_when_read(key, passphrase.encode())
    finally:
        key.unlink()


def look(device: str, *, whole: bool = True) -> dict[str, Any]:
    """How far the change of the volume key is; `progress` is cryptsetup's own, None before any.

    Without `whole` nothing is said of the header, which costs time.
    """
    lines = read(progress_of(device)).splitlines()
    progress = None
    with contextlib.suppress(ValueError, IndexError):  # the last line may be half written
        progress = json.loads(lines[-1])
    found = {
        "running": runs(device),
        "said": read(errors_of(device)).strip(),
        "progress": progress,
    }
    if not whole:
        return found
    return found | {
        "awaits_escrow": awaits_escrow(device),
        "sha256": header_sum(device),
    }


def runs(device: str) -> bool:
    """Whether its volume key is being changed at this moment."""
    return state_of(device) in _RUNNING


def state_of(device: str) -> str:
    """The state of the unit, as systemd calls it; without systemd there is none."""
    if not Path("/run/systemd/system").exists():
        return "inactive"
    return run("systemctl", "show", unit_of(device), "--property=ActiveState", "--value").strip()


def awaits_escrow(device: str) -> bool:
    """Whether its volume key was changed, and its new header is not in escrow yet."""
    before = former(device)
    return before is not None and not under_way(device) and before != volume_key(device)


def former(device: str) -> list[str] | None:
    """The volume key before the change, as `volume_key`; None where none was begun."""
    text = read(note_of(device))
    if not text:
        return None
    try:
        return list(json.loads(text))
    except ValueError:
        return []


def write_note(device: str, before: list[str]) -> None:
    """Note the volume key before a change, so that a power cut leaves it whole or not at all."""
    note = note_of(device)
    note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = note.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(before, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(note)


def escrowed(device: str) -> dict[str, Any]:
    """Forget a change that has ended: its header is in escrow."""
    if awaits_escrow(device):
        note_of(device).unlink()
    return {}


def drop_abandoned(device: str, passphrase: str) -> None:
    """Remove slots that open no data: those of a change that was cut short before it began."""
    header = metadata(device)
    abandoned = {
        slot
        for digest in header["digests"].values()
        if not digest["segments"]
        for slot in digest["keyslots"]
        if slot in header["keyslots"]
    }
    for slot in sorted(abandoned):
        kill_slot(device, int(slot), passphrase)


def volume_key(device: str) -> list[str]:
    """What tells one volume key from another: the digests that the header has to prove it by."""
    digests = metadata(device)["digests"].values()
    return sorted(str(digest["digest"]) for digest in digests if digest["segments"])


def write_when_read(fifo: Path, content: bytes) -> None:
    """Write to whoever opens the fifo, once; raises Refused when nobody does."""
    deadline = time.monotonic() + _READER_WITHIN
    while True:
        try:
            end = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO: nobody reads yet
            if time.monotonic() > deadline:
                raise Refused("cryptsetup was started, and did not ask for its key") from None
            time.sleep(0.1)
            continue
        with os.fdopen(end, "wb") as file:
            file.write(content)
        return


def unit_of(device: str) -> str:
    """The name of the unit that changes the volume key of a device."""
    return f"pas-infra-reencrypt-{uuid_of(device)}.service"


def uuid_of(device: str) -> str:
    """The UUID that its header has."""
    return run("cryptsetup", "luksUUID", device).strip()


def note_of(device: str) -> Path:
    """Where the volume key before the change is noted, by its digest."""
    return _KEPT / f"{uuid_of(device)}.json"


def progress_of(device: str) -> Path:
    """Where the unit writes how far it is."""
    return _RUN / f"{unit_of(device)}.progress"


def errors_of(device: str) -> Path:
    """Where the unit writes what goes wrong."""
    return _RUN / f"{unit_of(device)}.errors"


def read(file: Path) -> str:
    """What a file holds, "" when there is none."""
    return file.read_text("utf-8", errors="replace") if file.exists() else ""
