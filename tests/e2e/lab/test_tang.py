"""A server that opens its disk without a hand while it reaches Tang, and waits for one elsewhere.

A virtual machine installed on two disks, and the bastion with Tang, in the order of that life. Long
under emulation: most of it is the installation.
"""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from labs import Done, Lab, Site, until

from orchestrator.paths import project_root

pytestmark = pytest.mark.full

URL = "http://198.18.0.13:7654"
FLOW = {
    "name": "tang", "from": ["rbx7"], "to": ["bastion"], "protocol": "tcp", "ports": [7654],
    "reason": "Ouverture des disques au démarrage", "measures": ["6.4.2"],
    "interconnection": "hosts",
}  # fmt: skip
WAIVER = {
    "rule": "test_encryption.py::test_a_hand_opens_its_disks",
    "reason": "essai",
    "compensating_measure": "le serveur est jetable",
    "approver": "laboratoire",
    "until": "2099-12-31",
    "hosts": ["rbx7"],
}
# As docs/how-to/unattended-unlock.md tells it.
THUMBPRINT = """
for key in /var/lib/tang/*.jwk; do
    if jose jwk use -i "$key" -r -u sign -o /dev/null 2> /dev/null; then jose jwk thp -i "$key"; fi
done
"""
BOOT = "cat /proc/sys/kernel/random/boot_id"


def change(file: Path, added: Any) -> None:
    """Add to a YAML file of the environment."""
    found = yaml.safe_load(file.read_text())
    if isinstance(found, list):
        found.append(added)
    else:
        found |= added
    file.write_text(yaml.safe_dump(found, explicit_start=True))


def start_from_disks(site: Site) -> None:
    site.lab.do("down")
    site.lab.do("up", "rbx7", "--boot", "disks", "--env", str(site.environment))
    site.lab.do("up", "bastion")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    copy = tmp_path_factory.mktemp("environment") / "lab"
    shutil.copytree(project_root() / "inventories/lab", copy)
    made = Site(Lab("f-tang"), copy)
    made.lab.do("down", "--erase")
    try:
        made.lab.do("up", "rbx7", "--boot", "rescue", "--env", str(copy))
        (made.lab.directory / "installed_known_hosts").unlink(missing_ok=True)
        made.pas_infra("install", "rbx7", "--confirm", "rbx7")
        start_from_disks(made)
        made.pas_infra("unlock", "rbx7")
        made.pas_infra("apply", "--yes", "--role", "encryption", "--limit", "rbx7")
        yield made
    finally:
        made.lab.do("down", "--erase")


def faults(site: Site) -> list[str]:
    """What `keys status` says is to be done; it must have listed the one disk."""
    process = site.start("keys", "status", "--host", "rbx7", "--json")
    stdout, _ = process.communicate(timeout=600)
    (device,) = json.loads(stdout)["devices"]
    found: list[str] = device["faults"]
    return found


def verdicts(site: Site) -> dict[str, str]:
    """What the checks of the disk and of its initramfs say."""
    process = site.start(
        "verify", "--json", "--limit", "rbx7", "--role", "encryption", "--role", "initramfs"
    )
    stdout, stderr = process.communicate(timeout=1800)
    assert stdout, stderr
    return {
        each["check"].split("::")[1]: each["verdict"]
        for each in json.loads(stdout)["checks"]
        if each["check"].startswith(("test_encryption", "test_initramfs"))
    }


def boot(site: Site) -> str:
    """Which of its starts the server runs in; "" while it does not answer."""
    done: Done = site.lab.do("ssh", "rbx7", BOOT, code=None)
    return done.stdout.strip() if done.code == 0 else ""


def restart(site: Site) -> str:
    """Restart it as anybody may, and wait until it is gone; returns the start that has ended."""
    former = boot(site)
    assert former
    site.lab.do("ssh", "rbx7", "sudo systemctl --no-block reboot", code=None)
    until(lambda: boot(site) != former, 300, "the server goes down")
    return former


def test_nothing_is_bound_that_nobody_has_declared_and_accepted(site: Site) -> None:
    said = site.pas_infra("keys", "bind", "rbx7", code=1).stderr
    assert "no Tang is declared to open the disks of rbx7" in said
    change(
        site.environment / "host_vars/bastion.yml",
        {
            "tang_address": "198.18.0.13",
            "hardening_listeners": ["tcp/22/sshd", "udp/123/chronyd", "tcp/7654/systemd"],
        },
    )
    flows = yaml.safe_load((site.environment / "flows.yml").read_text())
    change(site.environment / "flows.yml", {"flows": [*flows["flows"], FLOW]})
    # The bastion's firewall lets in what flows.yml declares, and so the initramfs of this server.
    site.pas_infra(
        "apply", "--yes", "--role", "tang", "--role", "firewall", "--limit", "bastion",
        "--confirm-timeout", "300",
    )  # fmt: skip
    thumbprint = site.root("bastion", THUMBPRINT).strip()
    change(
        site.environment / "host_vars/rbx7.yml",
        {"initramfs_tang_url": URL, "initramfs_tang_thumbprint": thumbprint},
    )
    said = site.pas_infra("keys", "bind", "rbx7", code=1).stderr
    assert "nobody has accepted that Tang opens the disks of rbx7" in said
    change(site.environment / "waivers.yml", WAIVER)
    said = site.pas_infra("keys", "bind", "rbx7", code=1).stderr
    assert "clevis is not installed here" in said
    assert faults(site) == [f"0 keys of Tang at {URL} open it, and 1 is declared"]


def test_it_is_bound(site: Site) -> None:
    only = ("--role", "initramfs", "--limit", "rbx7")
    site.pas_infra("apply", "--yes", *only)
    started = time.monotonic()
    said = site.pas_infra("keys", "bind", "rbx7").stderr
    print(f"\nkeys bind: {time.monotonic() - started:.0f} s\n{said}")  # noqa: T201 - a duration
    assert "Tang opens it too" in said
    assert faults(site) == []
    found = verdicts(site)
    assert found.pop("test_a_hand_opens_its_disks") == "waived"
    assert set(found.values()) == {"holds"}, found
    site.pas_infra("plan", "--role", "encryption", *only)


def test_it_comes_back_without_a_hand(site: Site) -> None:
    started = time.monotonic()
    former = restart(site)
    until(lambda: boot(site) not in ("", former), 900, "the server is back")
    print(f"\nback by itself: {time.monotonic() - started:.0f} s")  # noqa: T201 - a duration


def test_a_restart_of_ours_is_proven_all_the_same(site: Site) -> None:
    """The proof knows that the initramfs asks Tang, and wants it so."""
    site.lab.on("rbx7", "sudo touch /run/reboot-required")
    ended = site.pas_infra(
        "apply", "--yes", "--json", "--reboot", "--role", "encryption", "--limit", "rbx7"
    )
    (restarted,) = json.loads(ended.stdout)["reboots"]
    assert restarted["fault"] == ""


def test_without_tang_it_waits_for_a_hand(site: Site) -> None:
    site.root("bastion", "systemctl stop tangd.socket")
    former = restart(site)
    time.sleep(120)  # longer than its own start took, by far
    assert boot(site) == ""
    print(f"\n{site.pas_infra('unlock', 'rbx7').stderr}")  # noqa: T201 - durations
    assert boot(site) not in ("", former)


def test_it_is_taken_away_again(site: Site) -> None:
    """Without Tang, too: the passphrase is enough."""
    said = site.pas_infra("keys", "bind", "rbx7", "--remove").stderr
    assert "the passphrase alone opens it; removed: slot" in said
    declared = site.environment / "host_vars/rbx7.yml"
    found = yaml.safe_load(declared.read_text())
    found = {name: value for name, value in found.items() if "tang" not in name}
    declared.write_text(yaml.safe_dump(found, explicit_start=True))
    site.pas_infra("apply", "--yes", "--role", "initramfs", "--limit", "rbx7")
    assert faults(site) == []
    assert set(verdicts(site).values()) == {"holds"}
