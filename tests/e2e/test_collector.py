"""The collector of drift on a real host: what is planted is found by its name, and nothing else."""

import base64
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.bench import Bench
from orchestrator.paths import project_root

HOST = "rbx7"
PLANTED: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("planted.yml").read_text())
# What a quick look does not look for: it searches no file system, and reads no program.
SLOW = re.compile(r"\w+ (?:suid|capability|certificate) .*|\w+ file /usr/(?!local/).*")
# Whatever a host does by itself in a night.
ORDINARY = """
apt-get --quiet --quiet update
logrotate --force /etc/logrotate.conf
systemctl start dpkg-db-backup systemd-tmpfiles-clean
journalctl --quiet --rotate
apt-get clean
getent hosts localhost > /dev/null
"""
# Written by whoever logs in and by the journal, not by what is then run.
CHANGED = """
cd /
find bin boot etc home opt root srv usr var -xdev -newercc /run/before \
  ! -path "var/log/*" ! -path "var/lib/systemd/*" ! -path "var/lib/sudo/*"
"""


@pytest.fixture(scope="module")
def key() -> tuple[str, str]:
    """A public key that nobody has the other half of, and its fingerprint."""
    kind = b"ssh-ed25519"
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (kind, os.urandom(32)))
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"{kind.decode()} {base64.b64encode(blob).decode()}", f"SHA256:{digest}"


def look(bench: Bench, kept: Path, *more: str) -> Any:
    environment = project_root() / "inventories/lab"
    seen = bench.run("python", "tests/e2e/look.py", environment, HOST, kept, *more).expect(0).json
    assert seen["blind"] == {}
    return seen


def names(seen: Any) -> set[str]:
    return {f"{one['kind']} {one['object']}" for one in seen["findings"]}


def script(word: str, key: str) -> str:
    steps = PLANTED if word == "change" else PLANTED[::-1]
    return "set -e\n" + "\n".join(step[word] for step in steps).replace("KEY", key)


def expected(fingerprint: str, seen: Any) -> set[str]:
    found = "\n".join(name for step in PLANTED for name in step["found"])
    certificate = next(one for one in seen["findings"] if one["name"] == "/srv/rogue.crt")
    digest = re.search(r"sha256: (\w+)", certificate["seen"])
    assert digest is not None
    found = found.replace("FINGERPRINT", fingerprint).replace("CERTIFICATE", digest[1])
    return set(found.splitlines())


def test_what_is_planted_is_found_and_nothing_else(
    hardened: Bench, tmp_path: Path, key: tuple[str, str]
) -> None:
    public, fingerprint = key
    kept = tmp_path / "kept.json"
    hardened.on(HOST, "touch /run/before; sleep 0.1")
    assert names(look(hardened, kept)) == set()
    assert hardened.on(HOST, "sh", stdin=CHANGED) == ""
    hardened.hosts = None
    hardened.on(HOST, "sh", stdin=script("change", public))
    try:
        full, quick = look(hardened, kept), look(hardened, kept, "quick")
    finally:
        hardened.on(HOST, "sh", stdin=script("undo", public))
    everything = expected(fingerprint, full)
    assert len(PLANTED) >= 25
    assert names(full) == everything
    assert all(one["seen"] and one["measures"] for one in full["findings"])
    assert names(quick) == {name for name in everything if not SLOW.fullmatch(name)}
    hardened.on(HOST, "sh", stdin=ORDINARY)
    assert names(look(hardened, kept)) == set()
    hardened.hosts = "hardened"
