"""What a host is asked about its encrypted devices, and what it answers. Runs there, as root."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.keys.host.alone import alone
from orchestrator.keys.host.luks import Refused, device_of, header_sum, listed, metadata
from orchestrator.keys.host.passphrase import change_passphrase, prove
from orchestrator.keys.host.tang import bind, unbind
from orchestrator.keys.host.volume_key import awaits_escrow, escrowed, look, reencrypt

_CHANGING = ("passphrase", "reencrypt", "prove", "bind", "unbind")
_NOTE = Path("/etc/pas-infra/escrow.json")  # written by role encryption


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What the request asks for: what is there, a new passphrase or volume key, or Tang's."""
    what = request.pop("what")
    actions: dict[str, Callable[..., dict[str, Any]]] = {
        "status": status,
        "passphrase": change_passphrase,
        "reencrypt": reencrypt,
        "look": look,
        "prove": prove,
        "bind": bind,
        "unbind": unbind,
        "escrowed": escrowed,
    }
    try:
        if "uuid" in request:
            request["device"] = device_of(request.pop("uuid"))
        with alone() if what in _CHANGING else contextlib.nullcontext():
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


def described(
    uuid: str, label: str, path: str, opened: list[str], *, system: bool
) -> dict[str, Any]:
    """One device; what its header says is cryptsetup's own JSON, or why it cannot be read."""
    found = {"uuid": uuid, "label": label, "path": path, "opened": opened, "system": system}
    try:
        return found | {
            "header": metadata(path),
            "sha256": header_sum(path),
            "awaits_escrow": awaits_escrow(path),
        }
    except Refused as why:
        return found | {"unreadable": str(why)}
