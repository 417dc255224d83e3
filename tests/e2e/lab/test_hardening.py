"""Role hardening on a kernel of its own, at each level, over restarts. Long under emulation."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from labs import PROGRAM, STATE, Done, Lab, tamper

from orchestrator.paths import project_root

pytestmark = pytest.mark.full

# A file system of its own for what is served, as a server has it; without options, as many have it.
MOUNT = """
sudo apt-get update -qq
sudo apt-get install -qq --yes e2fsprogs > /dev/null
sudo truncate -s 64M /var/lib/srv.img
sudo mkfs.ext4 -q /var/lib/srv.img
echo '/var/lib/srv.img /srv ext4 loop,defaults 0 2' | sudo tee -a /etc/fstab
sudo systemctl daemon-reload
sudo mount /srv
"""


@dataclass(frozen=True)
class Site:
    """One host, and the environment that declares its level."""

    lab: Lab
    environment: Path

    def at(self, level: str) -> None:
        declared = self.environment / "host_vars/rbx7.yml"
        declared.write_text(f"---\nhardening_level: {level}\n")

    def pas_infra(self, *arguments: str) -> Done:
        done = subprocess.run(
            [
                PROGRAM,
                *arguments,
                "--env",
                self.environment,
                "--role",
                "hardening",
                "--limit",
                "rbx7",
            ],
            env={
                **os.environ,
                "XDG_STATE_HOME": str(STATE),
                "PAS_INFRA_LAB_DIR": str(self.lab.directory),
            },
            cwd=project_root(),
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    copy = tmp_path_factory.mktemp("environment") / "lab"
    shutil.copytree(project_root() / "inventories/lab", copy)
    lab = Lab("f-hardening")
    lab.do("down", "--erase")
    try:
        lab.do("up", "rbx7", "--backend", "qemu")
        lab.on("rbx7", MOUNT)
        yield Site(lab, copy)
    finally:
        lab.do("down", "--erase")


@pytest.mark.parametrize("level", ["minimal", "intermediary", "enhanced", "high"])
def test_level_is_in_force_after_a_restart(site: Site, level: str) -> None:
    site.at(level)
    applied = json.loads(site.pas_infra("apply", "--yes", "--json", "--reboot").expect(0).stdout)
    # The host came back by itself, and every check was measured on it.
    assert [each["fault"] for each in applied["reboots"]] == [""]
    verdicts = {c["verdict"] for c in applied["verification"]["checks"]}
    assert verdicts == {"holds"}, applied["verification"]
    again = json.loads(site.pas_infra("apply", "--yes", "--json").expect(0).stdout)
    assert again["changed"] == []
    assert again["reboots"] == []
    site.pas_infra("plan").expect(0)


def test_what_is_served_is_mounted_without_rights(site: Site) -> None:
    options = site.lab.on("rbx7", "findmnt -no OPTIONS /srv").split(",")
    assert {"nosuid", "nodev"} <= set(options)


def test_no_driver_of_removable_media_is_loaded(site: Site) -> None:
    """Neither by its name nor past modprobe: the kernel itself refuses it."""
    said = site.lab.do("ssh", "rbx7", "sudo modprobe usb-storage", code=None)
    assert said.code != 0
    assert "usb_storage" not in site.lab.on("rbx7", "cat /proc/modules")


def test_what_only_a_kernel_shows_is_seen(site: Site) -> None:
    site.at("enhanced")  # what the lab declares for rbx7, and the tamperings are written for
    site.pas_infra("apply", "--yes", "--reboot").expect(0)
    tamper(site.lab, "hardening", "--backend", "qemu", "--environment", site.environment)
