"""What a host is asked about clients, and what it answers. Runs there, as root."""

import contextlib
from collections.abc import Callable
from typing import Any

from orchestrator.clients.host.erasure import describe, drop, erase
from orchestrator.clients.host.volumes import create, open_volume, status
from orchestrator.keys.host.alone import alone
from orchestrator.keys.host.luks import Refused

_LOOKING = ("status", "describe")


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What the request asks for: what is there, a volume made, opened or erased."""
    what = request.pop("what")
    actions: dict[str, Callable[..., dict[str, Any]]] = {
        "status": status,
        "create": create,
        "open": open_volume,
        "describe": describe,
        "erase": erase,
        "drop": drop,
    }
    try:
        with contextlib.nullcontext() if what in _LOOKING else alone():
            return actions[what](**request)
    except Refused as why:
        return {"refused": str(why)}
