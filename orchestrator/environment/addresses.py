"""Addresses: every host has one, no two share one, and a lab knows none of production's."""

import ipaddress
import re
from collections.abc import Generator, Iterable, Iterator, Mapping

from orchestrator.environment.inventory import Inventory
from orchestrator.environment.lines import Document, Keys
from orchestrator.environment.model import Vaulted
from orchestrator.errors import Problem

_NAME = re.compile(
    r"(?=.*[a-z])[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*"
)
_TOKEN = re.compile(r"[A-Za-z0-9_.:-]+")


def normalise(text: str) -> str | None:
    """The one way to write an address or a name, so that two can be compared; None if neither."""
    try:
        address = ipaddress.ip_address(text.strip().removeprefix("[").removesuffix("]"))
    except ValueError:
        name = text.strip().lower().removesuffix(".")
        return name if _NAME.fullmatch(name) else None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def is_address(text: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def host_addresses(inventory: Inventory) -> tuple[dict[str, str], list[Problem]]:
    """The normalised address of each host, and what is wrong with them."""
    addresses: dict[str, str] = {}
    owners: dict[str, str] = {}
    problems: list[Problem] = []
    for host in inventory.hosts:
        setting = inventory.merged(host).get("ansible_host")
        if setting is None:
            problems.append(
                inventory.document.problem(
                    inventory.hosts[host].keys,
                    f"the host {host} has no address",
                    "give it `ansible_host:`, an IP address or a name",
                )
            )
            continue
        value = setting.value
        if setting.document.secret or isinstance(value, Vaulted) or "{{" in str(value):
            what = f"the address of {host} is vaulted or computed, so it cannot be compared"
            problems.append(setting.problem(what, "write the address itself"))
            continue
        address = normalise(value) if isinstance(value, str) else None
        if address is None:
            what = f"`{value}` is no address for {host}"
            problems.append(setting.problem(what, "write an IPv4 or IPv6 address, or a name"))
            continue
        if address in owners:
            what = f"{host} has the same address as {owners[address]}: {address}"
            problems.append(setting.problem(what, "give each host an address of its own"))
        owners.setdefault(address, host)
        addresses[host] = address
    return addresses, problems


def declared_address_problems(
    declared: Document, addresses: Mapping[str, str]
) -> Iterator[Problem]:
    """What is wrong with the `addresses` that environment.yml lists, by host and control node."""
    owners: dict[str, str] = {}
    for host in declared.mapping("hosts"):
        keys: Keys = ("hosts", host, "addresses")
        written = declared.mapping("hosts", host).get("addresses")
        if not isinstance(written, list):
            continue
        for position, text in enumerate(written):
            address = yield from _address(declared, (*keys, position), text)
            other = owners.setdefault(address or "", host)
            if address and other != host:
                what = f"{host} has the same address as {other}: {address}"
                yield declared.problem(
                    (*keys, position), what, "give each host addresses of its own"
                )
        reached = addresses.get(host, "")
        # Of a name, nobody can say here which address it has.
        if is_address(reached) and reached not in map(normalise, map(str, written)):
            yield declared.problem(
                keys,
                f"{reached}, at which Ansible reaches {host}, is not among its addresses",
                "add it, or correct `ansible_host`",
            )
    written = declared.mapping("control_node").get("addresses")
    for position, text in enumerate(written if isinstance(written, list) else ()):
        yield from _address(declared, ("control_node", "addresses", position), text)


def _address(declared: Document, keys: Keys, text: object) -> Generator[Problem, None, str | None]:
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError:
        yield declared.problem(keys, f"`{text}` is no address", "write an IPv4 or IPv6 address")
        return None


def addresses_of(inventory: Inventory) -> set[str]:
    """The addresses and fully qualified names by which an inventory reaches its hosts."""
    written = [s.value for s in inventory.settings() if s.name == "ansible_host"]
    texts = [value for value in written if isinstance(value, str)] + list(inventory.hosts)
    return {name for text in texts if (name := normalise(text)) and _is_global(name)}


def foreign_address_problems(
    documents: Iterable[Document], foreign: Mapping[str, str]
) -> Iterator[Problem]:
    """Where a lab's files name an address of `foreign` (address: the environment that has it)."""
    for document in documents:
        for keys, text in _texts(document.data, ()):
            for address in sorted(_addresses_in(text) & set(foreign)):
                yield document.problem(
                    keys,
                    f"{address} belongs to the production environment {foreign[address]}",
                    "a lab must never reach production: use an address of the lab's own networks",
                )


def _texts(value: object, keys: Keys) -> Iterator[tuple[Keys, str]]:
    if isinstance(value, str):
        yield keys, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*keys, key), key
            yield from _texts(inner, (*keys, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*keys, index))


def _addresses_in(text: str) -> set[str]:
    """Every address and fully qualified name in a text, also within a URL or before a port."""
    tokens = _TOKEN.findall(text)
    tokens += [token.rpartition(":")[0] for token in tokens]
    return {name for token in tokens if (name := normalise(token)) and _is_global(name)}


def _is_global(name: str) -> bool:
    """Whether the name means the same host everywhere, as `rbx7` does not."""
    return "." in name or ":" in name
