"""Runs on a host, as root: what it is made of, part by part; of a silent one the reason."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from orchestrator.drift.collector.host.commands import CannotSay
from orchestrator.inventory.host.hardware import disks, interfaces, machine, system
from orchestrator.inventory.host.software import origins, packages, programs

_PARTS: Mapping[str, Callable[[], Any]] = {
    "system": system,
    "machine": machine,
    "interfaces": interfaces,
    "disks": disks,
    "programs": programs,
    "origins": origins,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Every part; one of which nothing can be said is in `blind`, with the reason."""
    del request
    with ThreadPoolExecutor(max_workers=len(_PARTS)) as pool:
        asked = {name: pool.submit(_said, part) for name, part in _PARTS.items()}
        told = {name: future.result() for name, future in asked.items()}
    told["packages"] = _said(partial(packages, told["origins"][0]))
    blind = {name: why for name, (_, why) in told.items() if why}
    parts = {name: said for name, (said, why) in told.items() if not why and name != "origins"}
    return {"parts": parts, "blind": blind}


def _said(part: Callable[[], Any]) -> tuple[Any, str]:
    """What a part says, and why it says nothing."""
    try:
        return part(), ""
    except CannotSay as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - one broken part must not hide the others
        return None, repr(error)
