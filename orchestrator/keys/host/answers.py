"""What a host is asked about its encrypted devices, and what it answers. Runs there, as root."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.keys.host.luks import Refused, device_of, header_sum, listed, metadata
from orchestrator.keys.host.passphrase import change_passphrase, prove
from orchestrator.keys.host.volume_key import look, reencrypt

_NOTE = Path("/etc/pas-infra/escrow.json")  # written by role encryption


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What the request asks for: what is there, a new passphrase, or a new volume key."""
    what = request.pop("what")
    actions: dict[str, Callable[..., dict[str, Any]]] = {
        "status": status,
        "passphrase": change_passphrase,
        "reencrypt": reencrypt,
        "look": look,
        "prove": prove,
    }
    if "uuid" in request:
        request["device"] = device_of(request.pop("uuid"))
    try:
        return actions[what](**request)
    except Refused as why:
        return {"refused": str(why)}


def status() -> dict[str, Any]:
    """Every encrypted device with its header's metadata, and what was noted to be in escrow."""
    try:
        noted = json.loads(_NOTE.read_text("utf-8"))
    except (OSError, ValueError):
        noted = {}
    return {"noted": noted, "devices": [described(**found) for found in listed()]}


def described(uuid: str, path: str, opened: list[str]) -> dict[str, Any]:
    """One device; what its header says is cryptsetup's own JSON."""
    return {
        "uuid": uuid,
        "path": path,
        "opened": opened,
        "header": metadata(path),
        "sha256": header_sum(path),
    }
