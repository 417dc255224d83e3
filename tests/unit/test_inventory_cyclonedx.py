"""The CycloneDX document of an inventory: valid by the official schema, and what it holds."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from inventory_of import DISK, OPENSSL, OWN, SYSTEM, TREE, host
from packageurl import PackageURL

from orchestrator.inventory.cyclonedx import as_cyclonedx, package_url
from orchestrator.inventory.equipment import Equipment, Machine, Package, Program
from orchestrator.inventory.take import Inventory

TAKEN = datetime(2026, 11, 26, 3, 0, 1, 999_999, tzinfo=UTC)
RBX7 = host()
SYSFAB = host(
    "sysfab",
    machine=Machine(container=True, virtualization="systemd-nspawn"),
    packages=(replace(TREE, origin="Debian, another version"),),
    programs=(Program("/opt/é b/x:1", "unreadable"),),
)
EMPTY = Equipment("bastion", "", "", "", "", blind={"packages": "dpkg is silent"})


def document(*hosts: Equipment, whole: bool = True) -> dict[str, Any]:
    inventory = Inventory(
        run_id=1, environment="production", taken=TAKEN, whole=whole, hosts=hosts, missing={},
        differences=(), found=(), since={}, uncompared={},
    )  # fmt: skip
    return as_cyclonedx(inventory)


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_not_seen_is_an_incomplete_composition(whole: bool) -> None:  # noqa: FBT001 - a case of the test
    found = document(RBX7, EMPTY, whole=whole)["compositions"]
    assert {one["assemblies"][0]: one["aggregate"] for one in found} == {
        "environment:production": "complete" if whole else "incomplete",
        "host:rbx7": "complete",
        "host:bastion": "incomplete",
    }


def faults(found: dict[str, Any]) -> str | None:
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found))
    return None if fault is None else str(fault)


@pytest.mark.parametrize("hosts", [(RBX7, SYSFAB, EMPTY), (RBX7,), (EMPTY,), ()])
def test_it_is_valid(hosts: tuple[Equipment, ...]) -> None:
    found = document(*hosts)
    assert (faults(found), found["specVersion"]) == (None, "1.6")
    references = [one["bom-ref"] for one in found["components"]]
    assert len(references) == len(set(references))
    known = {*references, found["metadata"]["component"]["bom-ref"]}
    for one in found["dependencies"]:
        assert {one["ref"], *one["dependsOn"]} <= known


def test_the_schema_would_tell() -> None:
    found = document(RBX7)
    found["components"][0]["type"] = "server"
    assert faults(found) is not None


def test_each_document_is_another_one_of_its_moment() -> None:
    first, second = document(RBX7), document(RBX7)
    assert first.pop("serialNumber") != second.pop("serialNumber")
    assert first == second
    assert first["metadata"]["timestamp"] == "2026-11-26T03:00:01Z"


def components(*hosts: Equipment) -> dict[str, dict[str, Any]]:
    return {one["bom-ref"]: one for one in document(*hosts)["components"]}


def said(component: dict[str, Any]) -> set[str]:
    prefix = "pas-infra:"
    return {f"{p['name'].removeprefix(prefix)}={p['value']}" for p in component["properties"]}


def test_a_host_is_a_device_with_its_parts() -> None:
    found = components(RBX7)
    machine = found["host:rbx7"]
    assert (machine["type"], machine["name"]) == ("device", "rbx7")
    assert machine["manufacturer"] == {"name": "ASRockRack"}
    assert machine["version"] == "E3C246D4U"
    assert {"city=Roubaix", "serial=S-1", "address=198.18.0.11/24"} <= said(machine)
    assert said(found["host:rbx7:disk:S64"]) >= {"serial=S64", "firmware=GXA7", "kind=disk"}
    assert "mac=02:00:00:00:00:01" in said(found["host:rbx7:interface:eth0"])
    assert found["host:rbx7:firmware"]["version"] == "03/12/2025"
    assert found["host:rbx7:system"]["type"] == "operating-system"


def test_two_disks_of_a_serial_number_are_two() -> None:
    twice = host(disks=(DISK, replace(DISK, name="sdb", model="another")))
    names = {one["name"] for ref, one in components(twice).items() if ":disk:" in ref}
    assert names == {DISK.model, "another"}
    assert faults(document(twice)) is None


def test_a_program_has_its_hash_where_it_could_be_read() -> None:
    found = components(RBX7, SYSFAB)
    rogue = found["host:rbx7:program:/usr/local/bin/rogue"]
    assert rogue["hashes"] == [{"alg": "SHA-256", "content": "0" * 64}]
    assert "hashes" not in found["host:sysfab:program:/opt/%C3%A9%20b/x%3A1"]


def test_a_package_is_one_component_of_all_hosts_that_have_it() -> None:
    found = document(RBX7, SYSFAB)
    url = "pkg:deb/debian/tree@2.2.1-1?arch=amd64&distro=trixie"
    (tree,) = [one for one in found["components"] if one.get("purl") == url]
    assert said(tree) == {"origin=Debian", "origin=Debian, another version"}
    on = {one["ref"] for one in found["dependencies"] if url in one["dependsOn"]}
    assert on == {"host:rbx7", "host:sysfab"}


def test_a_document_says_the_same_whoever_was_written_before() -> None:
    alone = components(RBX7)
    components(RBX7, SYSFAB)
    assert components(RBX7) == alone


@pytest.mark.parametrize(
    ("package", "namespace", "distribution"),
    [
        (TREE, "debian", "trixie"),
        (OPENSSL, "debian", "trixie"),
        (OWN, None, None),
        (replace(TREE, origin="unknown"), None, None),
        (replace(TREE, origin="Debian, another version"), "debian", "trixie"),
        (replace(TREE, origin="Grafana Labs"), "grafana labs", None),
        (replace(TREE, name="libstdc++6"), "debian", "trixie"),
    ],
)
def test_a_package_url_is_read_back_as_others_read_it(
    package: Package, namespace: str | None, distribution: str | None
) -> None:
    url = package_url(package, SYSTEM.release)
    read = PackageURL.from_string(url)
    assert read.to_string() == url, "in the one spelling of its standard"
    assert (read.type, read.namespace) == ("deb", namespace)
    assert (read.name, read.version) == (package.name, package.version)
    qualifiers = {"arch": package.architecture, "distro": distribution}
    assert read.qualifiers == {k: v for k, v in qualifiers.items() if v}
