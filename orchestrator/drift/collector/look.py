"""What is really there on hosts, as a program of ours says that runs there once and is gone."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

from orchestrator.drift.collector.kinds import KINDS
from orchestrator.engine import Connection, HostProgram, ask, printable

_HOST = "orchestrator.drift.collector.host"
_MODULES = ("commands", "identities", "services", "packages", "dpkg", "kernel", "storage", "files",
            "network", "answers")  # fmt: skip
_LARGEST_ANSWER = 32 << 20  # bytes: a host of many thousand objects says 1 MB
_PATIENCE = 180.0  # seconds

# What a quick look leaves out: whoever looks for them reads every program and file system.
SLOW = frozenset({"program", "suid", "capability", "certificate"})

Value = str | int | bool | None | tuple[str, ...]
Objects = Mapping[str, Mapping[str, Mapping[str, Value]]]

COLLECTOR = HostProgram(
    "what is there",
    ("orchestrator.access.collect", *(f"{_HOST}.{name}" for name in _MODULES)),
    remedy="look at what the host says of itself: journalctl -b -p warning",
    patience=_PATIENCE,
    at_most=_LARGEST_ANSWER,
)


@dataclass(frozen=True)
class Seen:
    """What is really there on a host: kind of object, name, property.

    A kind that is not there was not looked at: a slow one with `quick`, the kernel's in a container
    (it has none of its own), or one of a part of the collector of which `blind` says why.
    `seconds` are those of each part, which work side by side.
    """

    objects: Objects
    blind: Mapping[str, str]
    seconds: Mapping[str, float]
    container: str = ""


def look(
    connections: Iterable[Connection], *, quick: bool = False
) -> tuple[dict[str, Seen], dict[str, str]]:
    """Ask the hosts side by side, in one round trip each; of those without an answer, why.

    With `quick` no file system is searched and no program is read: all but what packages brought,
    what lies among it, and programs with rights.
    """
    given, missing = ask(connections, COLLECTOR.question({"quick": quick}))
    seen: dict[str, Seen] = {}
    for host, answer in given.items():
        try:
            seen[host] = read_seen(answer)
        except ValueError as error:
            missing[host] = f"{COLLECTOR.subject} could not be read: {error}"
    return seen, missing


def read_seen(answer: Mapping[str, Any]) -> Seen:
    """What a host's answer says; raises ValueError when it is none.

    Whoever is root there may have written it: nothing of it speaks to a terminal.
    """
    try:
        blind = {printable(part): printable(str(why)) for part, why in answer["blind"].items()}
        seconds = {printable(part): float(took) for part, took in answer["seconds"].items()}
        container = printable(str(answer["container"]))
        objects = read_objects(answer["objects"])
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not what the collector prints: {error!r}"[:200]) from error
    if not objects and not blind:
        raise ValueError("it says nothing at all")
    return Seen(objects, blind, seconds, container)


def read_objects(data: Mapping[str, Any]) -> Objects:
    """Objects as they come from a host or from the store; raises ValueError for anything else."""
    unknown = [kind for kind in data if kind not in KINDS]
    if unknown:
        raise ValueError(f"it speaks of {printable(unknown[0])[:40]}, of which nobody knows")
    return {
        kind: {
            printable(name): _sound({printable(key): _value(v) for key, v in about.items()})
            for name, about in named.items()
        }
        for kind, named in data.items()
    }


def _value(value: object) -> Value:
    match value:
        case str():
            return printable(value)
        case bool() | int() | None:
            return value
        case list() | tuple() if all(isinstance(each, str) for each in value):
            return tuple(map(printable, value))
    raise ValueError(f"not what the collector prints: {value!r}"[:200])


def _sound(about: dict[str, Value]) -> dict[str, Value]:
    """The same in words, once what is worked with further is what it should be."""
    said = _readable(about)
    int(str(said.get("mode", "0")), 8)
    if "ends" in said and datetime.fromisoformat(str(said["ends"])).tzinfo is None:
        raise ValueError(f"not what the collector prints: {said['ends']!r}"[:200])
    return said


def _readable(about: dict[str, Value]) -> dict[str, Value]:
    """The same, a certificate in words: who it is of, who signed it and when it ends."""
    if "certificate" not in about:
        return about
    try:
        one = x509.load_der_x509_certificate(base64.b64decode(str(about["certificate"])))
        said: dict[str, Value] = {
            "subject": printable(one.subject.rfc4514_string()),
            "issuer": printable(one.issuer.rfc4514_string()),
            "ends": one.not_valid_after_utc.isoformat(),
        }
    except Exception as error:  # noqa: BLE001 - an algorithm that nobody knows, or garbage
        said = {"unreadable": printable(str(error))}
    return {"sha256": about.get("sha256"), **said}
