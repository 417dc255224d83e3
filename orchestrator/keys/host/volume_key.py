"""Another volume key for a LUKS device, while it is used. Runs on the host, as root."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from orchestrator.keys.host.luks import (
    Refused,
    cost,
    header_sum,
    metadata,
    opened_by,
    run,
    under_way,
)

_RUN = Path("/run/pas-infra/reencrypt")
_READER_WITHIN = 60.0  # seconds


def reencrypt(
    device: str, passphrase: str, derivation: dict[str, int], cipher: str, key_bits: int
) -> dict[str, Any]:
    """Begin to change the volume key, or go on where it was cut short; then see `look`.

    It runs as a unit of its own: whoever asked for it may leave.
    """
    state = look(device)
    if state["running"]:
        return state
    slots = metadata(device)["keyslots"]
    resumed = under_way(device)
    if not resumed:
        if opened_by(device, passphrase) is None:
            raise Refused("the declared passphrase does not open it")
        if len(slots) != 1:
            raise Refused(f"{len(slots)} keys open it, and one only would be carried over")
    _RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
    unit, key = unit_of(device), _RUN / f"{unit_of(device)}.key"
    # A failed one stays listed until somebody has seen it.
    subprocess.run(["systemctl", "reset-failed", unit], capture_output=True, check=False)
    key.unlink(missing_ok=True)
    os.mkfifo(key, 0o600)
    options = ["--resume-only"] if resumed else [
        *cost(derivation), "--cipher", cipher, "--key-size", str(key_bits),
    ]  # fmt: skip
    try:
        run(
            "systemd-run", "--quiet", f"--unit={unit}",
            "--description=A new volume key for an encrypted disk",
            "--property=LimitCORE=0", "--property=SendSIGKILL=no",
            f"--property=StandardInput=file:{key}",
            f"--property=StandardOutput=truncate:{progress_of(device)}",
            f"--property=StandardError=truncate:{errors_of(device)}",
            "cryptsetup", "reencrypt", "--batch-mode", "--progress-json",
            "--progress-frequency", "2", "--key-file", "-", *options, device,
        )  # fmt: skip
        write_when_read(key, passphrase.encode())
    finally:
        key.unlink()
    return look(device) | {"resumed": resumed}


def look(device: str) -> dict[str, Any]:
    """How far the change of the volume key is; `progress` is cryptsetup's own, None before any."""
    shown = run(
        "systemctl", "show", unit_of(device), "--property=ActiveState,Result"
    ).splitlines()  # fmt: skip
    state = dict(line.split("=", 1) for line in shown)
    running = state["ActiveState"] in ("active", "activating", "deactivating")
    lines = read(progress_of(device)).splitlines()
    try:
        progress = json.loads(lines[-1]) if lines else None
    except ValueError:  # a line that is being written
        progress = None
    return {
        "running": running,
        "failed": state["ActiveState"] == "failed",
        "said": read(errors_of(device)).strip(),
        "under_way": under_way(device),
        "progress": progress,
        "volume_key": volume_key(device),
        "sha256": header_sum(device),
    }


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


def volume_key(device: str) -> list[str]:
    """What tells one volume key from another: the digests that the header has to prove it by."""
    return sorted(str(digest["digest"]) for digest in metadata(device)["digests"].values())


def unit_of(device: str) -> str:
    """The name of the unit that changes the volume key of a device."""
    return f"pas-infra-reencrypt-{run('cryptsetup', 'luksUUID', device).strip()}.service"


def progress_of(device: str) -> Path:
    """Where the unit writes how far it is."""
    return _RUN / f"{unit_of(device)}.progress"


def errors_of(device: str) -> Path:
    """Where the unit writes what goes wrong."""
    return _RUN / f"{unit_of(device)}.errors"


def read(file: Path) -> str:
    """What a file holds, "" when there is none."""
    return file.read_text("utf-8", errors="replace") if file.exists() else ""
