"""What environments must not share: hosts, keys, secrets, networks (7.3.1).

The files are read as they stand, whatever else is wrong with them, and nothing is decrypted: what
belongs to one environment must not need the password of another.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from orchestrator.environment.addresses import host_addresses
from orchestrator.environment.build import vault_of
from orchestrator.environment.inventory import read_inventory
from orchestrator.environment.lines import VAULT_HEADER, Document, Keys, parse, read, read_text
from orchestrator.environment.ssh_keys import public_key
from orchestrator.errors import ConfigurationInvalid, Problem

_FOLDERS = ("group_vars", "host_vars")


@dataclass(frozen=True)
class Belonging:
    """Something that is an environment's own; `spoken` names it without giving it away."""

    kind: str
    value: str
    spoken: str
    file: Path
    line: int | None

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}" if self.line else str(self.file)


@dataclass(frozen=True)
class Shared:
    """Something that two environments have both."""

    mine: Belonging
    other: Belonging


def belongings(directory: Path) -> list[Belonging]:
    """All that is an environment's own.

    Raises ConfigurationInvalid when a file cannot be read: then nothing can be said.
    """
    problems: list[Problem] = []
    documents: dict[str, Document] = {}
    for name in ("environment", "hosts", "lab", "people"):
        file = directory / f"{name}.yml"
        if file.exists():
            document, found = read(file)
            problems += found
            if document is not None:
                documents[name] = document
    variables = [
        file for folder in _FOLDERS for file in sorted((directory / folder).rglob("*.yml"))
    ]
    if problems:
        raise ConfigurationInvalid(problems)
    return [
        *_addresses(documents),
        *_networks(documents),
        *_keys(documents.get("people")),
        *_secrets([*variables, *(document.file for document in documents.values())]),
        *_passwords(documents.get("environment")),
    ]


def shared(mine: Sequence[Belonging], others: Sequence[Belonging]) -> list[Shared]:
    """What stands on both sides; networks and addresses also where one lies in the other."""
    others_first = _first_of_each(others)
    found = []
    for one in _first_of_each(mine):
        own = _network(one)
        found += [
            Shared(one, other)
            for other in others_first
            if (one.kind, one.value) == (other.kind, other.value) or _overlap(own, _network(other))
        ]
    return found


def _first_of_each(belongings: Sequence[Belonging]) -> list[Belonging]:
    """Without what was named before: the address of a host stands in two files."""
    return list({(one.kind, one.value): one for one in reversed(belongings)}.values())[::-1]


def _network(one: Belonging) -> IPv4Network | IPv6Network | None:
    return ip_network(one.value) if one.kind == "place" else None


def _overlap(
    one: IPv4Network | IPv6Network | None, other: IPv4Network | IPv6Network | None
) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    if isinstance(one, IPv6Network) and isinstance(other, IPv6Network):
        return one.overlaps(other)
    return False


def _addresses(documents: dict[str, Document]) -> Iterator[Belonging]:
    if "hosts" in documents:
        inventory, _ = read_inventory(documents["hosts"])
        for host, address in host_addresses(inventory)[0].items():
            keys = inventory.hosts[host].keys
            yield from _place(documents["hosts"], keys, address, f"host {host}")
    declared = documents.get("environment")
    if declared is None:
        return
    for position, address in enumerate(_list(declared, "control_node", "addresses")):
        place: Keys = ("control_node", "addresses", position)
        yield from _place(declared, place, address, "the control node")
    for host in declared.mapping("hosts"):
        for position, address in enumerate(_list(declared, "hosts", host, "addresses")):
            place = ("hosts", host, "addresses", position)
            yield from _place(declared, place, address, f"host {host}")


def _networks(documents: dict[str, Document]) -> Iterator[Belonging]:
    lab, people = documents.get("lab"), documents.get("people")
    if lab is not None:
        for name in lab.mapping("networks"):
            for family, network in lab.mapping("networks", name).items():
                keys = ("networks", name, family)
                yield from _place(lab, keys, network, f"network {name}")
    if people is None:
        return
    for index, entry in enumerate(_list(people, "machines")):
        for position, origin in enumerate(entry.get("from", ())):
            place: Keys = ("machines", index, "from", position)
            yield from _place(people, place, origin, f"the origin of {entry.get('account')}")


def _keys(people: Document | None) -> Iterator[Belonging]:
    if people is None:
        return
    for part in ("persons", "machines"):
        for index, entry in enumerate(_list(people, part)):
            for position, line in enumerate(entry.get("keys", ())):
                try:
                    fingerprint = public_key(str(line)).fingerprint
                except ValueError:
                    continue  # a fault of its own, told when the environment is loaded
                line_number = people.line((part, index, "keys", position))
                spoken = f"a key of {entry.get('account')}"
                yield Belonging("key", fingerprint, spoken, people.file, line_number)


def _secrets(files: Sequence[Path]) -> Iterator[Belonging]:
    """The vaulted texts: two that are encrypted alike are the same."""
    for file in files:
        text, _ = read_text(file)
        if text is None:
            continue
        if text.startswith(VAULT_HEADER):
            yield Belonging("secret", _digest(text), "a vaulted file", file, 1)
            continue
        document, _ = parse(file, text)
        if document is None:
            continue
        for keys, ciphertext in document.vaulted.items():
            spoken = f"the secret {keys[-1]}"
            yield Belonging("secret", _digest(ciphertext), spoken, file, document.line(keys))


def _passwords(declared: Document | None) -> Iterator[Belonging]:
    vault = vault_of(declared) if declared else None
    if vault and declared:
        source = str(vault.password_file or list(vault.password_command or ()))
        line = declared.line(("vault",))
        yield Belonging("secret", _digest(source), "the vault's password", declared.file, line)


def _place(document: Document, keys: Keys, text: object, spoken: str) -> Iterator[Belonging]:
    """An address or network; a name, where a host is known by one."""
    try:
        kind, value = "place", str(ip_network(str(text), strict=False))
    except ValueError:
        kind, value = "name", str(text).casefold()
    yield Belonging(kind, value, f"{spoken}, {text}", document.file, document.line(keys))


def _list(document: Document, *keys: str) -> list[Any]:
    found = document.mapping(*keys[:-1]).get(keys[-1])
    return found if isinstance(found, list) else []


def _digest(text: str) -> str:
    return hashlib.sha256("".join(text.split()).encode()).hexdigest()
