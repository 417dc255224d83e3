"""From the rescue system of a machine with two blank disks to a server that is unlocked from afar.

In the order of a server's life. Long under emulation: quiet, install to unlocked takes 10 minutes.
`PAS_INFRA_FIRMWARE=uefi` has the machine start with UEFI.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from labs import SUDO, Done, Lab, start_program, tamper, until

from orchestrator.paths import project_root

pytestmark = pytest.mark.full

SERIALS = ("RBX7-A", "RBX7-B")
DECLARED = yaml.safe_load((project_root() / "inventories/lab/group_vars/all.yml").read_text())
# It is to be told from a searching program that has it in its own memory.
CANARY = f"canary-{secrets.token_hex(16)}"
# As docs/how-to/install.md tells it.
COME_BACK = """
set -eu
disk=$(lsblk --nodeps --noheadings --paths --output NAME,SERIAL | awk '$2 == "RBX7-A" { print $1 }')
for part in 2:esp 3:boot 4:system; do
    array=$(readlink -f "/dev/disk/by-id/md-name-rbx7:${part#*:}")
    # Of a mirror that was still being written it has come back by itself.
    sudo mdadm --detail "$array" | grep -q "$disk${part%:*}" ||
        sudo mdadm --quiet "$array" --re-add "$disk${part%:*}"
done
"""
MOUNT_BOOT = """
set -eu
command -v mdadm > /dev/null || sudo apt-get install -qq --yes mdadm > /dev/null
[ -e /dev/disk/by-id/md-name-rbx7:boot ] || sudo mdadm --quiet --assemble --scan --run || :
sudo udevadm settle
sudo mount -o ro /dev/disk/by-id/md-name-rbx7:boot /mnt
"""
WRITE = """
set -eu
for place in {places}; do
    yes {canary} | head -c 4000000 | sudo tee "$place/canary" > /dev/null
done
# Written to swap as it is, while nobody uses it.
swap=$(sudo swapon --noheadings --show=NAME)
sudo swapoff "$swap"
yes {canary} | head -c 4000000 | sudo dd of="$swap" bs=1M seek=1 conv=notrunc status=none
sudo mkswap -q "$swap"
sudo swapon "$swap"
sync
"""


@dataclass(frozen=True)
class Server:
    """One server with disks of its own, and the environment that declares it."""

    lab: Lab
    environment: Path

    @property
    def pins(self) -> Path:
        return self.lab.directory / "installed_known_hosts"

    def disk(self, serial: str) -> Path:
        return self.lab.directory / f"machines/rbx7/disk-{serial}.raw"

    def declare(self, **variables: object) -> None:
        usual = yaml.safe_load((project_root() / "inventories/lab/host_vars/rbx7.yml").read_text())
        declared = self.environment / "host_vars/rbx7.yml"
        declared.write_text(yaml.safe_dump({**usual, **variables}, explicit_start=True))

    def start(self, *arguments: str, stdin: str = "") -> subprocess.Popen[str]:
        process = start_program(self.lab, self.environment, *arguments, stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.flush()
        return process

    def pas_infra(self, *arguments: str, stdin: str = "") -> Done:
        process = self.start(*arguments, stdin=stdin)
        stdout, stderr = process.communicate(timeout=3600)
        return Done(process.returncode, stdout, stderr)

    def start_from_disks(self, *without: str) -> None:
        self.lab.do("down")
        pulled = [part for serial in without for part in ("--without-disk", serial)]
        self.lab.do("up", "rbx7", "--boot", "disks", *pulled, "--env", str(self.environment))

    def unlock(self, code: int = 0) -> str:
        return self.pas_infra("unlock", "rbx7").expect(code).stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    copy = tmp_path_factory.mktemp("environment") / "lab"
    shutil.copytree(project_root() / "inventories/lab", copy)
    declared = copy / "lab.yml"
    topology = yaml.safe_load(declared.read_text())
    topology["machines"]["rbx7"]["firmware"] = os.environ.get("PAS_INFRA_FIRMWARE", "bios")
    declared.write_text(yaml.safe_dump(topology, explicit_start=True))
    lab = Lab("f-metal")
    lab.do("down", "--erase")
    try:
        lab.do("up", "rbx7", "--boot", "rescue", "--env", str(copy))
        (lab.directory / "installed_known_hosts").unlink(missing_ok=True)
        yield Server(lab, copy)
    finally:
        lab.do("down", "--erase")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"installation_disks": [{"serial": "RBX7-C"}]}, "serial number RBX7-A"),
        ({"installation_disks": [{"size_gb": 8}]}, "and there are 2"),
        ({"installation_disks": [{"serial": "RBX7-A"}]}, "declares one disk"),
        ({"initramfs_unlock_keys": ["ssh-ed25519 mistyped"]}, "as `ssh-keygen` writes it"),
        ({"installation_swap_mib": 4096}, "the smallest disk has"),
        ({"installation_argon2_memory_mib": 800}, "MiB of memory"),
        ({"installation_passphrase": "short"}, "32 random characters"),
    ],
    ids=[
        "no-such-serial",
        "ambiguous-size",
        "one-disk",
        "mistyped-key",
        "too-small",
        "too-little-memory",
        "weak-passphrase",
    ],
)
def test_what_cannot_be_installed_is_refused(
    server: Server, declared: dict[str, object], said: str
) -> None:
    server.declare(**declared)
    refused = server.pas_infra("install", "rbx7", "--confirm", "rbx7").expect(1)
    assert said in refused.stderr
    assert not any(blocks(server.disk(serial)) for serial in SERIALS)


def test_nothing_is_destroyed_that_nobody_has_named(server: Server) -> None:
    server.declare()
    shown = server.pas_infra("install", "rbx7", stdin="rbx8\n").expect(130).stderr
    assert all(f"serial number {serial}: empty" in shown for serial in SERIALS)
    assert "nothing was changed" in shown
    assert not any(blocks(server.disk(serial)) for serial in SERIALS)


def test_an_installation_that_is_killed_is_gone_on_with(server: Server) -> None:
    """Killed without a word while the system is unpacked; the next one does the rest."""
    server.declare()
    killed = server.start("install", "rbx7", "--confirm", "rbx7")
    written = 200 * 2**20
    until(lambda: blocks(server.disk("RBX7-A")) > written, 900, "the system is being unpacked")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    # What its ssh had begun on the other side ends by itself.
    time.sleep(20)
    started = time.monotonic()
    shown = server.pas_infra("install", "rbx7", "--confirm", "rbx7").expect(0).stderr
    assert "an unfinished installation, to be gone on with" in shown
    assert "rbx7 is installed" in shown
    print(f"\nthe rest of the installation: {time.monotonic() - started:.0f} s\n{shown}")  # noqa: T201 - durations


def test_what_is_installed_is_not_installed_over(server: Server) -> None:
    refused = server.pas_infra("install", "rbx7", "--confirm", "rbx7").expect(1)
    assert "gpt on vdb" in refused.stderr
    assert "--wipe" in refused.stderr


def test_a_changed_host_key_is_taken_for_an_attack(server: Server) -> None:
    server.start_from_disks()
    right = server.pins.read_text()
    made = server.lab.directory / "another"
    made.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made], check=True)
    other = " ".join(Path(f"{made}.pub").read_text().split()[:2])
    lines = [
        f"rbx7.initramfs {other}" if line.startswith("rbx7.initramfs ") else line
        for line in right.splitlines()
    ]
    server.pins.write_text("\n".join(lines) + "\n")
    try:
        refused = server.pas_infra("unlock", "rbx7").expect(1)
        assert "take it for an attack" in refused.stderr
    finally:
        server.pins.write_text(right)


def test_a_wrong_passphrase_is_refused_three_times(server: Server) -> None:
    refused = server.pas_infra("unlock", "rbx7", "--ask", stdin="one\ntwo\nthree\nfour\n").expect(1)
    assert "(3 attempts)" in refused.stderr
    assert "still locked" in refused.stderr


def test_it_is_unlocked_from_afar(server: Server) -> None:
    print(f"\n{server.unlock()}")  # noqa: T201 - durations
    assert server.lab.on("rbx7", "findmnt -no SOURCE /").strip() == "/dev/mapper/system-root"
    # The passphrase went nowhere but into the kernel; the search finds what is there.
    secret = (server.lab.directory / "passphrase-rbx7").read_text().strip()
    planted = secrets.token_hex(20)
    server.lab.on("rbx7", f"echo {planted} | sudo tee /etc/planted > /dev/null")
    assert server.lab.holders("rbx7", planted) == ["/etc/planted"]
    assert server.lab.holders("rbx7", secret) == []


def test_the_running_system_is_not_installed_over(server: Server) -> None:
    refused = server.pas_infra("install", "rbx7", "--wipe", "--confirm", "rbx7").expect(1)
    assert "the running system lies there" in refused.stderr


def test_it_is_brought_to_the_declared_state_and_restarted(server: Server) -> None:
    """The restart is proven to be unlocked, and is, without a hand."""
    server.lab.do("up", "bastion")  # it tells the time
    server.pas_infra("client", "add", "alpha").expect(0)
    everything = ("--yes", "--json", "--limit", "rbx7,bastion", "--confirm-timeout", "300")
    ended = server.pas_infra("apply", "--reboot", *everything).expect(0)
    applied = json.loads(ended.stdout)
    assert [each["fault"] for each in applied["reboots"]] == [""]
    checks = applied["verification"]["checks"]
    about_disks = {c["verdict"] for c in checks if c["check"].startswith("test_encryption.py")}
    assert about_disks == {"holds"}
    assert volume_of_alpha(server) == "/dev/mapper/client_alpha"
    server.pas_infra("plan", "--limit", "rbx7,bastion").expect(0)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"initramfs_unlock_keys": ["ssh-ed25519 AAAA somebody"]}, "lets in others than"),
        ({"installation_passphrase": "x" * 40}, "does not open the disk"),
        ({"initramfs_unlock_port": 2022}, "listens on port 2222, not 2022"),
    ],
    ids=["another-key", "another-passphrase", "another-port"],
)
def test_a_restart_that_could_not_be_unlocked_is_refused(
    server: Server, declared: dict[str, object], said: str
) -> None:
    server.declare(**declared)
    server.lab.on("rbx7", "sudo touch /run/reboot-required")
    try:
        ended = server.pas_infra(
            "apply", "--yes", "--json", "--reboot", "--role", "encryption", "--limit", "rbx7"
        ).expect(1)
        (left,) = json.loads(ended.stdout)["reboots"]
        assert said in left["fault"]
    finally:
        server.declare()
        server.lab.on("rbx7", "sudo rm /run/reboot-required")


def test_who_may_unlock_is_changed_by_an_apply(server: Server) -> None:
    """The initramfs of every kernel is built anew, and the next start is proven with it."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEY= another"
    usual = (server.lab.directory / "id_ed25519.pub").read_text().strip()
    server.declare(initramfs_unlock_keys=[usual, key])
    only = ("--role", "initramfs", "--limit", "rbx7")
    server.pas_infra("plan", *only).expect(2)
    server.pas_infra("apply", "--yes", *only).expect(0)
    server.pas_infra("plan", *only).expect(0)
    server.declare()
    server.pas_infra("apply", "--yes", *only).expect(0)


def test_what_is_done_to_its_initramfs_is_seen(server: Server) -> None:
    tamper(server.lab, "initramfs", "--environment", server.environment)


def test_nothing_that_was_written_can_be_read_on_the_disks(server: Server) -> None:
    places = " ".join(volume["mount"] for volume in DECLARED["installation_volumes"])
    server.lab.on("rbx7", WRITE.format(places=places, canary=CANARY))
    server.lab.do("down")
    for serial in SERIALS:
        search = [
            *SUDO,
            "grep",
            "--count",
            "--text",
            "--fixed-strings",
            CANARY,
            str(server.disk(serial)),
        ]
        found = subprocess.run(search, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout.strip()) == (1, "0"), found.stderr
        # The search sees what is there in clear: the boot loader's own words.
        sees = subprocess.run(
            [*SUDO, "grep", "-qaF", "menuentry", server.disk(serial)], check=False
        )
        assert sees.returncode == 0


def test_one_disk_is_enough_and_the_other_comes_back(server: Server) -> None:
    server.start_from_disks("RBX7-A")
    assert "lacks a disk" in server.unlock(2)
    assert degraded(server)
    server.lab.on("rbx7", "echo written without the other | sudo tee /srv/alone > /dev/null; sync")
    server.start_from_disks()
    server.unlock(2)
    assert volume_of_alpha(server) == "/dev/mapper/client_alpha"
    server.lab.on("rbx7", COME_BACK)
    until(lambda: not degraded(server), 900, "the mirrors are whole again")
    server.start_from_disks("RBX7-B")
    server.unlock(2)
    assert server.lab.on("rbx7", "cat /srv/alone").strip() == "written without the other"


def test_what_holds_something_is_destroyed_only_when_that_is_said(server: Server) -> None:
    """A server that has run, in its rescue system, with one of its file systems mounted."""
    server.lab.do("down")
    server.lab.do("up", "rbx7", "--boot", "rescue", "--env", str(server.environment))
    server.lab.on("rbx7", MOUNT_BOOT)
    refused = server.pas_infra("install", "rbx7", "--confirm", "rbx7").expect(1)
    assert "mounted at /mnt" in refused.stderr
    assert server.lab.on("rbx7", "sudo ls /mnt/grub/grub.cfg")
    server.pas_infra("install", "rbx7", "--wipe", "--confirm", "rbx7").expect(0)
    server.start_from_disks()
    server.unlock()
    assert server.lab.on("rbx7", "ls /srv").split() == ["lost+found"]


def volume_of_alpha(server: Server) -> str:
    """What is mounted for the client: whoever unlocks the host opens it too."""
    return server.lab.on("rbx7", "findmnt -no SOURCE /srv/clients/alpha").strip()


def degraded(server: Server) -> bool:
    """Whether a mirror lacks a disk: [U_] instead of [UU]."""
    return "_]" in (state := server.lab.on("rbx7", "cat /proc/mdstat")) or "[_" in state


def blocks(disk: Path) -> int:
    """Bytes that have been written to the disk."""
    return disk.stat().st_blocks * 512
