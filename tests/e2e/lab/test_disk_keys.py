"""The keys of a server's disk are changed while it is used, and whatever is killed meanwhile.

A virtual machine with an encrypted disk of its own (a file's), in the order of that disk's life.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from labs import STATE, SUDO, Done, Lab, start_program, until

from orchestrator.paths import project_root

pytestmark = pytest.mark.full

OPEN = """
set -eu
device=$(losetup --find --show /var/lib/data.img)
cryptsetup open --key-file /dev/stdin "$device" data
udevadm settle
"""
MAKE = """
set -eu
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes cryptsetup-bin e2fsprogs > /dev/null
fallocate --length 1500M /var/lib/data.img
# As slow a derivation as is declared, so that nothing asks for more memory than the machine has.
cryptsetup luksFormat --batch-mode --type luks2 --cipher aes-xts-plain64 --key-size 512 \\
    --pbkdf argon2id --pbkdf-memory 65536 --pbkdf-force-iterations 4 --pbkdf-parallel 4 \\
    --key-file /dev/stdin /var/lib/data.img
"""
WRITE = """
set -eu
mkfs.ext4 -q /dev/mapper/data
mount /dev/mapper/data /srv
head -c 300000000 /dev/urandom > /srv/data
sha256sum < /srv/data > /srv/sum
sync
"""
SOUND = "sudo sh -c 'echo 3 > /proc/sys/vm/drop_caches; sha256sum < /srv/data | cmp - /srv/sum'"


@dataclass
class Server:
    """The machine, the environment that declares it, and the passphrase that is declared."""

    lab: Lab
    environment: Path
    passphrase: str
    passphrases: list[str] = field(default_factory=list)

    def new_passphrase(self) -> str:
        """Another one, from now on the declared one; returns the former."""
        former, self.passphrase = self.passphrase, secrets.token_hex(20)
        self.passphrases += [former, self.passphrase]
        return former

    def declare(self, **variables: object) -> None:
        usual = yaml.safe_load((project_root() / "inventories/lab/host_vars/rbx7.yml").read_text())
        declared = {**usual, "installation_passphrase": self.passphrase, **variables}
        file = self.environment / "host_vars/rbx7.yml"
        file.write_text(yaml.safe_dump(declared, explicit_start=True))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return start_program(self.lab, self.environment, *arguments)

    def pas_infra(self, *arguments: str, code: int | None = 0) -> Done:
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=1800)
        done = Done(process.returncode, stdout, stderr)
        return done if code is None else done.expect(code)

    def faults(self) -> list[str]:
        """What `keys status` says is to be done, about the one disk that there is."""
        listed = self.pas_infra("keys", "status", "--host", "rbx7", "--json", code=None).stdout
        (device,) = json.loads(listed)["devices"]
        found: list[str] = device["faults"]
        return found

    def root(self, script: str, stdin: str) -> None:
        """Run a script there with something secret on its stdin."""
        done = subprocess.run(
            ["ssh", "-F", self.lab.directory / "ssh_config", "rbx7", f"sudo sh -c '{script}'"],
            input=stdin, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def opens(self, passphrase: str) -> bool:
        """Whether the passphrase opens the disk."""
        done = subprocess.run(
            ["ssh", "-F", self.lab.directory / "ssh_config", "rbx7",
             "sudo cryptsetup open --test-passphrase --key-file /dev/stdin /var/lib/data.img"],
            input=passphrase, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 2), done.stderr
        return done.returncode == 0

    def until_under_way(self) -> None:
        """Wait until some of the disk is under its new volume key."""

        def some() -> bool:
            said = self.lab.on(
                "rbx7",
                "sudo sh -c 'tail -qn1 /run/pas-infra/reencrypt/*.progress 2> /dev/null || :'",
            )
            done = json.loads(said)["device_bytes"] if said else 0
            return 0 < int(done) < 1_500_000_000

        until(some, 900, "a part of the disk is encrypted anew")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    copy = tmp_path_factory.mktemp("environment") / "lab"
    shutil.copytree(project_root() / "inventories/lab", copy)
    lab = Lab("f-keys")
    lab.do("down", "--erase")
    try:
        lab.do("up", "rbx7", "--backend", "qemu")
        made = Server(lab, copy, secrets.token_hex(20))
        made.declare()
        made.root(MAKE, made.passphrase)
        made.root(OPEN, made.passphrase)
        made.root(WRITE, "")
        yield made
    finally:
        lab.do("down", "--erase")


def test_a_header_goes_into_escrow_when_its_key_is_proven(server: Server) -> None:
    assert server.faults() == ["its header is not in escrow"]
    server.declare(installation_passphrase="x" * 40)
    refused = server.pas_infra("keys", "escrow", "rbx7", code=1)
    assert "the declared passphrase does not open it" in refused.stderr
    assert server.faults() == ["its header is not in escrow"]
    server.declare()
    server.pas_infra("keys", "escrow", "rbx7")
    assert server.faults() == []


def test_a_passphrase_is_changed_though_it_is_killed(server: Server) -> None:
    former = server.new_passphrase()
    server.declare(installation_former_passphrase="x" * 40)
    refused = server.pas_infra("keys", "rotate", "rbx7", code=1)
    assert "neither the new passphrase nor the former one opens it" in refused.stderr
    server.declare(installation_former_passphrase=former)
    killed = server.start("keys", "rotate", "rbx7")
    until(lambda: server.opens(server.passphrase), 300, "the new passphrase opens the disk")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    server.pas_infra("keys", "rotate", "rbx7")
    assert server.opens(server.passphrase)
    assert not server.opens(former)
    assert server.faults() == []
    server.declare()
    server.pas_infra("keys", "rotate", "rbx7")
    server.pas_infra("plan", "--role", "encryption", "--limit", "rbx7")


def test_a_volume_key_is_changed_though_whoever_watches_is_killed(server: Server) -> None:
    watching = server.start("keys", "rotate", "rbx7", "--volume-key", "--yes")
    server.until_under_way()
    os.killpg(watching.pid, signal.SIGKILL)
    watching.communicate()
    assert server.faults() == ["its volume key is being changed"]
    refused = server.pas_infra("keys", "escrow", "rbx7", code=1)
    assert "its volume key is being changed" in refused.stderr
    done = server.pas_infra("keys", "rotate", "rbx7", "--volume-key", "--yes")
    assert "goes on where it was" in done.stderr
    assert "under a new volume key" in done.stderr
    assert server.faults() == []
    server.lab.on("rbx7", SOUND)
    server.pas_infra("plan", "--role", "encryption", "--limit", "rbx7")


def test_a_change_that_ended_unwatched_is_not_done_again(server: Server) -> None:
    watching = server.start("keys", "rotate", "rbx7", "--volume-key", "--yes")
    server.until_under_way()
    os.killpg(watching.pid, signal.SIGKILL)
    watching.communicate()
    ended = ["its volume key was changed, and its new header is not in escrow yet"]
    until(lambda: server.faults() == ended, 900, "the disk is encrypted anew")
    header = server.lab.on("rbx7", "sudo cryptsetup luksDump /var/lib/data.img")
    server.pas_infra("keys", "rotate", "rbx7", "--volume-key", "--yes")
    assert server.lab.on("rbx7", "sudo cryptsetup luksDump /var/lib/data.img") == header
    assert server.faults() == []


@pytest.mark.parametrize("killed", ["cryptsetup", "the machine"])
def test_a_volume_key_is_changed_though_it_is_killed(server: Server, killed: str) -> None:
    """After either the machine starts again, and opens its disk with its passphrase."""
    watching = server.start("keys", "rotate", "rbx7", "--volume-key", "--yes")
    server.until_under_way()
    if killed == "cryptsetup":
        server.lab.on("rbx7", "sudo systemctl kill --signal=KILL 'pas-infra-reencrypt-*'")
        _, said = watching.communicate(timeout=600)
        assert watching.returncode == 1, said
        assert "has stopped" in said
    subprocess.run([*SUDO, "kill", "-9", str(server.lab.running()["rbx7"])], check=True)
    if killed == "the machine":
        os.killpg(watching.pid, signal.SIGKILL)
        watching.communicate()
    server.lab.do("up", "rbx7", "--backend", "qemu")
    server.root(OPEN, server.passphrase)
    server.lab.on("rbx7", "sudo mount /dev/mapper/data /srv")
    server.lab.on("rbx7", SOUND)
    assert server.faults() == ["its volume key is being changed"]
    started = time.monotonic()
    server.pas_infra("keys", "rotate", "rbx7", "--volume-key", "--yes")
    print(f"\nthe rest of the disk: {time.monotonic() - started:.0f} s")  # noqa: T201 - a duration
    assert server.faults() == []
    server.lab.on("rbx7", SOUND)


def test_no_passphrase_is_left_anywhere(server: Server) -> None:
    """Neither on the host nor on the control node, whatever was killed; a planted one is found."""
    planted = secrets.token_hex(20)
    server.lab.on("rbx7", f"logger planted {planted}")
    assert server.lab.holders("rbx7", planted)
    for passphrase in server.passphrases:
        assert server.lab.holders("rbx7", passphrase) == []
        assert kept_here(server.lab, passphrase) == []
    file = server.lab.directory / "planted"
    # Another one than the machine has written to its disk, which lies here too.
    here = secrets.token_hex(20)
    file.write_text(here)
    assert kept_here(server.lab, here) == [str(file)]


def test_bad_input_is_refused(server: Server) -> None:
    unknown = server.pas_infra("keys", "rotate", "rbx7", "--device", "no-such", code=1)
    assert "rbx7 has no encrypted device no-such" in unknown.stderr
    server.declare(installation_former_passphrase=server.passphrase)
    same = server.pas_infra("keys", "rotate", "rbx7", code=1)
    assert "the former passphrase of rbx7 is the declared one" in same.stderr
    server.declare()
    stopped = server.pas_infra("keys", "rotate", "rbx7", "--volume-key", code=130)
    assert "nothing was changed" in stopped.stderr


def kept_here(lab: Lab, text: str) -> list[str]:
    """The files of the control node that hold the text; the environment, as a vault, is no such."""
    done = subprocess.run(
        [*SUDO, "grep", "-rlaF", "-f", "-", "--devices=skip", "--exclude-dir=netns", lab.directory,
         STATE / "pas-infra/environments", "/run", "/var/log"],
        input=f"{text}\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode < 2 or not done.stderr.strip(), done.stderr
    return done.stdout.split()
