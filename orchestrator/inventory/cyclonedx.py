"""An inventory as a CycloneDX 1.6 document: hosts, what they are made of, and what is on which."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from orchestrator import __version__
from orchestrator.inventory.equipment import (
    ANOTHER_VERSION,
    NO_ARCHIVE,
    UNKNOWN_ARCHIVE,
    Disk,
    Equipment,
    Interface,
    Package,
    Program,
    numbered,
)
from orchestrator.inventory.take import Inventory

_DEBIAN = "debian"
_PLAIN = ".-_~:"  # the others stand in a package URL as %2B

Component = dict[str, Any]


def as_cyclonedx(inventory: Inventory) -> dict[str, Any]:
    """The document; a package that several hosts have is one component that all depend on.

    What was not seen as a whole is an incomplete composition. Each document has a serial number of
    its own.
    """
    hosts = inventory.hosts
    root = f"environment:{_escaped(inventory.environment)}"
    components: dict[str, Component] = {}
    for one in (each for host in hosts for each in _components(host)):
        known = components.setdefault(one["bom-ref"], one)["properties"]
        # One host may know of an archive of which another has not heard.
        known += [told for told in one["properties"] if told not in known]
    dependencies = [
        {"ref": root, "dependsOn": sorted(_host(host) for host in hosts)},
        *({"ref": _host(host), "dependsOn": sorted(_below(host))} for host in hosts),
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": inventory.taken.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {
                "components": [{"type": "application", "name": "pas-infra", "version": __version__}]
            },
            "component": {"type": "platform", "bom-ref": root, "name": inventory.environment},
        },
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": dependencies,
        "compositions": [
            {"aggregate": "complete" if whole else "incomplete", "assemblies": [ref]}
            for ref, whole in (
                (root, inventory.whole),
                *((_host(host), not host.blind) for host in hosts),
            )
        ],
    }


def _components(host: Equipment) -> Iterator[Component]:
    yield _machine(host)
    release = host.system.release if host.system else ""
    if host.system is not None:
        yield {
            "type": "operating-system",
            "bom-ref": _system(host),
            "name": host.system.system or "unknown",
            **_filled({"version": host.system.kernel}),
            "properties": _properties(architecture=host.system.architecture),
        }
    if host.machine is not None and host.machine.firmware:
        yield {
            "type": "firmware",
            "bom-ref": _firmware(host),
            "name": host.machine.firmware,
            **_filled({"version": host.machine.firmware_date}),
            "properties": _properties(kind="firmware"),
        }
    yield from (_interface(host, one) for one in host.interfaces)
    yield from (_disk(host, name, one) for name, one in numbered(host.disks, "identity").items())
    yield from (_package(one, release) for one in host.packages)
    yield from (_program(host, one) for one in host.programs)


def _machine(host: Equipment) -> Component:
    """Its name is the host's, its version the model: nothing of the standard is nearer."""
    machine = host.machine
    about = {} if machine is None else {
        "virtualization": machine.virtualization,
        "serial": machine.serial,
        "uuid": machine.uuid,
        "board": machine.board,
        "board-serial": machine.board_serial,
        "processor": machine.processor,
        "processors": str(machine.processors or ""),
        "memory-gib": str(machine.memory_gib or ""),
    }  # fmt: skip
    maker = machine.vendor if machine else ""
    model = "" if machine is None else " ".join(filter(None, (machine.product, machine.version)))
    addresses = [address for one in host.interfaces for address in one.addresses]
    return {
        "type": "device",
        "bom-ref": _host(host),
        "name": host.host,
        **_filled({"version": model, "description": host.function}),
        **({"manufacturer": {"name": maker}} if maker else {}),
        "properties": [
            *_properties(
                function=host.function, supplier=host.supplier, city=host.city,
                country=host.country, hostname=host.system.hostname if host.system else "",
                **about,
            ),
            *(one for address in addresses for one in _properties(address=address)),
        ],
    }  # fmt: skip


def _interface(host: Equipment, one: Interface) -> Component:
    return {
        "type": "device",
        "bom-ref": _part(host, "interface", one.name),
        "name": f"{host.host} {one.name}",
        "properties": [
            *_properties(kind="interface", type=one.kind, mac=one.mac, driver=one.driver),
            *(each for address in one.addresses for each in _properties(address=address)),
        ],
    }


def _disk(host: Equipment, name: str, one: Disk) -> Component:
    return {
        "type": "device",
        "bom-ref": _part(host, "disk", name),
        "name": one.model or f"{host.host} {one.name}",
        "properties": _properties(
            kind="disk", serial=one.serial, wwn=one.wwn, bytes=str(one.bytes),
            firmware=one.firmware, transport=one.transport,
        ),
    }  # fmt: skip


def _package(one: Package, release: str) -> Component:
    """The mark (asked for or not) is a host's affair: the component is the same on all of them."""
    url = package_url(one, release)
    return {
        "type": "library",
        "bom-ref": url,
        "name": one.name,
        "version": one.version,
        "purl": url,
        "properties": _properties(origin=one.origin),
    }


def _program(host: Equipment, one: Program) -> Component:
    hashes = [{"alg": "SHA-256", "content": one.sha256}] if len(one.sha256) == 64 else []
    return {
        "type": "file",
        "bom-ref": _part(host, "program", one.path),
        "name": one.path,
        **({"hashes": hashes} if hashes else {}),
        "properties": _properties(origin="no package"),
    }


def package_url(one: Package, release: str) -> str:
    """Its package URL, `pkg:deb/debian/tree@2.2.1-1?arch=amd64&distro=trixie`.

    Whose package it is, is the archive's word: one of no archive bears no vendor's name, so that
    nobody takes it for one of Debian's.
    """
    known = one.origin not in (NO_ARCHIVE, UNKNOWN_ARCHIVE)
    archive = one.origin.removesuffix(ANOTHER_VERSION) if known else ""
    vendor = archive.partition(" (")[0].lower()
    path = "/".join(quote(part, safe=_PLAIN) for part in (vendor, one.name) if part)
    about = {"arch": one.architecture, "distro": release if vendor == _DEBIAN else ""}
    told = "&".join(f"{key}={quote(value, safe=_PLAIN)}" for key, value in about.items() if value)
    return f"pkg:deb/{path}@{quote(one.version, safe=_PLAIN)}?{told}"


def _below(host: Equipment) -> set[str]:
    return {one["bom-ref"] for one in _components(host)} - {_host(host)}


def _properties(**about: str) -> list[dict[str, str]]:
    return [{"name": f"pas-infra:{k}", "value": value} for k, value in about.items() if value]


def _filled(about: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in about.items() if value}


def _host(host: Equipment) -> str:
    return f"host:{_escaped(host.host)}"


def _system(host: Equipment) -> str:
    return _part(host, "system", "")


def _firmware(host: Equipment) -> str:
    return _part(host, "firmware", "")


def _part(host: Equipment, kind: str, name: str) -> str:
    return ":".join(filter(None, (_host(host), kind, _escaped(name))))


def _escaped(text: str) -> str:
    return quote(text, safe="/.-_~")
