"""`pas-infra inventory` on a real host: what is there, and what appears and goes meanwhile."""

import hashlib
import json
from pathlib import Path
from typing import Any

from e2e.bench import Bench

# A package of nobody's, a program of no package, an interface and an address.
APPEARS = """
set -eu
umask 022
mkdir -p /run/own/DEBIAN /opt/own
echo "Package: own\nVersion: 1.0-1\nArchitecture: all\nMaintainer: x\nDescription: x" \
  > /run/own/DEBIAN/control
dpkg-deb --build /run/own /run/own.deb > /dev/null
dpkg --install /run/own.deb > /dev/null
printf rogue > /opt/own/rogue
chmod 755 /opt/own/rogue
ip link add br9 type bridge
ip address add 10.9.8.7/24 dev br9
"""
GOES = """
ip link delete br9
rm -rf /opt/own /run/own /run/own.deb
dpkg --purge own > /dev/null
"""


def taken(bench: Bench, code: int, *more: str | Path) -> dict[str, Any]:
    said = bench.pas_infra("inventory", "--limit", "rbx7", "--json", *more, code=code).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def told(found: dict[str, Any]) -> set[str]:
    return {f"{one['change']} {one['kind']} {one['name']}" for one in found["differences"]}


def test_what_is_there_is_listed_and_what_appears_is_named(bench: Bench, tmp_path: Path) -> None:
    (host,) = taken(bench, 0)["hosts"]
    assert host["machine"]["container"] is True
    assert host["city"] == "Roubaix"
    addresses = [address for one in host["interfaces"] for address in one["addresses"]]
    assert addresses == ["198.18.0.11/24", "2001:2::11/64"]
    versions = {one["name"]: one["version"] for one in host["packages"]}
    there = bench.on("rbx7", "dpkg-query -W -f \\${Version} dpkg").strip()
    assert versions["dpkg"] == there

    bench.on("rbx7", APPEARS)
    try:
        found = taken(bench, 2, "--cyclonedx", tmp_path / "bom.json")
    finally:
        bench.on("rbx7", GOES)
    assert {"new package own:all", "new program /opt/own/rogue", "new interface br9"} == told(found)
    assert {f"{one['object_kind']} {one['name']}" for one in found["findings"]} == {
        "interface br9", "address 10.9.8.7/24"
    }  # fmt: skip
    document = json.loads((tmp_path / "bom.json").read_text())
    by_name = {one["name"]: one for one in document["components"]}
    digest = hashlib.sha256(b"rogue").hexdigest()
    assert by_name["/opt/own/rogue"]["hashes"][0]["content"] == digest
    assert by_name["own"]["purl"].startswith("pkg:deb/own@1.0-1")

    gone = taken(bench, 0)
    assert {"gone package own:all", "gone program /opt/own/rogue", "gone interface br9"} == told(
        gone
    )
