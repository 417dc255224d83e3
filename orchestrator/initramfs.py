"""The initramfs of a server: how it is reached, whose host key it has, what it answers.

It is a small system of its own on the disk that is not encrypted. So it has a host key of its own,
pinned when the server was installed: whoever shows another one is told nothing.
"""

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from orchestrator.engine import Connection, variables
from orchestrator.environment import Environment, role_defaults
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root

_ROLES = ("roles/installation", "roles/initramfs", "roles/encryption")
_PORT = "initramfs_unlock_port"


class Said(Enum):
    """What became of an attempt to give the passphrase."""

    OPENED = auto()
    WRONG = auto()
    BUSY = auto()
    SILENT = auto()
    REFUSED = auto()
    OTHER_KEY = auto()


@dataclass(frozen=True)
class Initramfs:
    """How the initramfs of a host is reached; `pins` is a known_hosts file with its key."""

    connection: Connection
    port: int
    pins: Path

    @property
    def alias(self) -> str:
        """The name under which its host key is pinned."""
        return alias(self.connection.host)

    @property
    def ssh(self) -> list[str]:
        """The command that gives it what comes on stdin."""
        options = (
            f"HostKeyAlias={self.alias}",
            f"UserKnownHostsFile={shlex.quote(str(self.pins))}",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "VerifyHostKeyDNS=no",
            "KnownHostsCommand=none",
            "UpdateHostKeys=no",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
            "ControlMaster=no",
            "ControlPath=none",
            "BatchMode=yes",
            "ConnectTimeout=15",
            "LogLevel=ERROR",
            "User=root",
            f"Port={self.port}",
        )
        # The first word of ssh counts, so these stand before those of the inventory.
        own = [part for option in options for part in ("-o", option)]
        return [
            "ssh", *own, *shlex.split(self.connection.ssh_arguments), self.connection.address,
            "cryptroot-unlock",
        ]  # fmt: skip


def alias(host: str) -> str:
    """The name under which the host key of a host's initramfs is pinned."""
    return f"{host}.initramfs"


def initramfs_of(environment: Environment, connection: Connection) -> Initramfs:
    """How the initramfs of a host is reached; raises PasInfraError when its key is not pinned."""
    found = settings(environment, connection.host, "installation_known_hosts", _PORT)
    # As Ansible reads it: role installation pins there.
    pins, port = Path(found["installation_known_hosts"]).expanduser(), int(found[_PORT])
    if not pinned(pins, alias(connection.host)):
        raise PasInfraError(
            f"no host key is pinned for the initramfs of {connection.host}, so nothing tells it "
            "from somebody who pretends to be it",
            where=pins,
            next_step=f"pas-infra install {connection.host} pins it; or add a line "
            f"`{alias(connection.host)} ssh-ed25519 …`, read on the server itself",
        )
    return Initramfs(connection, port, pins)


def settings(environment: Environment, host: str, *names: str) -> dict[str, Any]:
    """How a host is installed and unlocked: what the inventory has, else the roles' defaults."""
    defaults = {n: v for role in _ROLES for n, v in role_defaults(project_root() / role).items()}
    declared = variables(environment, [host], names)[host]
    return {n: defaults[n] if declared[n] is None else declared[n] for n in names}


def pinned(pins: Path, name: str) -> list[str]:
    """The host keys, type and key, that a known_hosts file has for a name."""
    lines = pins.read_text("utf-8").splitlines() if pins.exists() else []
    fields = [line.split() for line in lines]
    return [" ".join(f[1:3]) for f in fields if len(f) >= 3 and name in f[0].split(",")]


def give(initramfs: Initramfs, passphrase: str) -> tuple[Said, str]:
    """Give the initramfs the passphrase, on stdin; what became of it, and what it said."""
    try:
        done = subprocess.run(
            initramfs.ssh,
            input=passphrase,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Said.BUSY, ""
    return judge(done.returncode, done.stderr), done.stderr.strip()


def judge(code: int, stderr: str) -> Said:
    """What ssh's exit code and stderr mean, for `cryptroot-unlock` of Debian 13."""
    if code == 255:
        if "Host key verification failed" in stderr or "IDENTIFICATION HAS CHANGED" in stderr:
            return Said.OTHER_KEY
        return Said.REFUSED if "Permission denied" in stderr else Said.SILENT
    if code == 0 or "set up successfully" in stderr:
        return Said.OPENED
    wrong: Sequence[str] = ("bad password", "maximum number of tries")
    return Said.WRONG if any(words in stderr for words in wrong) else Said.BUSY


def attack(initramfs: Initramfs) -> PasInfraError:
    """What is said when somebody shows another host key than the pinned one."""
    return PasInfraError(
        f"whoever answers for the initramfs of {initramfs.connection.host} shows another host key "
        "than the pinned one: take it for an attack. It was told nothing",
        where=f"{initramfs.pins}, {initramfs.alias}",
        next_step="look at the server's console; if it was installed anew by somebody else, its "
        "/boot is theirs too: install it again from the rescue system",
    )
