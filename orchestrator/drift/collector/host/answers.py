"""Runs on a host, as root: what is really there, part by part, each with its seconds."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from orchestrator.drift.collector.host.commands import CannotSay, Objects
from orchestrator.drift.collector.host.files import files
from orchestrator.drift.collector.host.identities import identities
from orchestrator.drift.collector.host.kernel import clock, container, kernel, sysctl
from orchestrator.drift.collector.host.network import network
from orchestrator.drift.collector.host.packages import packages
from orchestrator.drift.collector.host.services import listeners, units
from orchestrator.drift.collector.host.storage import storage

_PARTS: Mapping[str, Callable[[], Objects]] = {
    "clock": clock,
    "identities": identities,
    "kernel": kernel,
    "listeners": listeners,
    "network": network,
    "packages": packages,
    "storage": storage,
    "sysctl": sysctl,
    "units": units,
}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Every part; with `quick` no file system is searched and no program is read.

    One of which nothing can be said is in `blind`, with the reason: it is not empty.
    """
    parts: dict[str, Callable[[], Objects]] = {
        "files": partial(files, verify=not request["quick"]),
        **_PARTS,
    }
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        done = {name: pool.submit(_timed, part) for name, part in parts.items()}
    objects: Objects = {}
    blind: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name, future in done.items():
        found, why, took = future.result()
        objects |= found
        seconds[name] = took
        if why:
            blind[name] = why
    return {"objects": objects, "blind": blind, "seconds": seconds, "container": container()}


def _timed(part: Callable[[], Objects]) -> tuple[Objects, str, float]:
    """What a part gives, why it gives nothing, and its seconds."""
    began = time.monotonic()
    try:
        return part(), "", time.monotonic() - began
    except CannotSay as error:
        return {}, str(error), time.monotonic() - began
    except Exception as error:  # noqa: BLE001 - one broken part must not hide the others
        return {}, repr(error), time.monotonic() - began
