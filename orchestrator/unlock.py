"""Unlock: give a server that has restarted the passphrase of its disks, over SSH.

Who asks for it is the initramfs, a small system of its own on the disk that is not encrypted. So it
has a host key of its own, pinned when the server was installed: whoever shows another one is told
nothing.
"""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from orchestrator.engine import Connection, connections, secret, variables
from orchestrator.environment import Environment, Host, role_defaults
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root
from orchestrator.runs import recorded

_ROLES = ("roles/installation", "roles/initramfs", "roles/encryption")
_PORT = "initramfs_unlock_port"
_BETWEEN = 2.0  # seconds between two attempts to reach it
_PAUSE = 10.0  # seconds after which an initramfs that was busy is asked again


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


@dataclass(frozen=True)
class Unlocked:
    """What became of an unlock: seconds until it asked, until it was open, until it ran.

    All are 0 for a host that was running already.
    """

    run_id: int
    asked: float = 0.0
    opened: float = 0.0
    running: float = 0.0


def alias(host: str) -> str:
    """The name under which the host key of a host's initramfs is pinned."""
    return f"{host}.initramfs"


def unlock(
    environment: Environment,
    host: Host,
    passphrases: Iterable[str],
    *,
    patience: float,
    stage: Callable[[str], None],
) -> Unlocked:
    """Wait for the host's initramfs, give it the passphrase, wait for the system; recorded.

    Of `passphrases` the next one is taken when the one before was wrong, and the first when there
    is an initramfs to ask for it; `patience` is in seconds, for the initramfs and for the system
    each. Raises PasInfraError when the host key is not the pinned one, when no passphrase is right,
    and when the host is not there in time.
    """
    with recorded(environment, "unlock", {"hosts": [host.name]}) as run:
        connection = connections(environment, [host.name])[0]
        try:
            initramfs = initramfs_of(environment, connection)
        except PasInfraError:
            # Not every server has an encrypted root: its clients' volumes may still be closed.
            if connection.answers():
                return Unlocked(run.id)
            raise
        started = time.monotonic()
        stage(f"wait for {host.name}")
        asked, opened = _open(initramfs, passphrases, patience)
        stage(f"wait for the system of {host.name}")
        _wait_for_system(connection, patience)
        return Unlocked(run.id, asked, opened, time.monotonic() - started)


def _open(initramfs: Initramfs, passphrases: Iterable[str], patience: float) -> tuple[float, float]:
    """Seconds until the host asked and until its disks were open; both 0 when it was running."""
    host, where = initramfs.connection.host, f"{initramfs.connection.address}:{initramfs.port}"
    started = time.monotonic()
    asked, attempts = 0.0, 0
    # Asked for once, and again only when it was wrong: nobody types it for each try to connect.
    following = iter(passphrases)
    given = next(following)
    while (passed := time.monotonic() - started) < patience:
        said, words = give(initramfs, given)
        if said is not Said.SILENT:
            asked = asked or passed
        if said is Said.OPENED:
            return asked, time.monotonic() - started
        if said is Said.SILENT and initramfs.connection.answers():
            # It may have opened the disks after it had ceased to wait for its own answer.
            return asked, asked
        if said is Said.OTHER_KEY:
            raise _attack(initramfs)
        if said is Said.REFUSED:
            raise PasInfraError(
                f"the initramfs of {host} lets none of your keys in",
                where=where,
                next_step="use a key of initramfs_unlock_keys; the server's console is the "
                "other way",
            )
        if said is Said.WRONG:
            attempts += 1
            another = next(following, None)
            if another is None:
                raise PasInfraError(
                    f"{host} is still locked: this passphrase does not open its disks "
                    f"({attempts} {'attempt' if attempts == 1 else 'attempts'})",
                    where=words,
                    next_step="see whether installation_passphrase is this host's; "
                    "`pas-infra unlock --ask` takes another one",
                )
            given = another
        time.sleep(_PAUSE if said is Said.BUSY else _BETWEEN)
    raise PasInfraError(
        f"{host} has not opened its disks after {patience:.0f} s",
        where=where,
        next_step="see on the server's console where its start has come to",
    )


def _wait_for_system(connection: Connection, patience: float) -> None:
    started = time.monotonic()
    while not connection.answers():
        if time.monotonic() - started > patience:
            raise PasInfraError(
                f"{connection.host} has opened its disks, but does not answer {patience:.0f} s "
                "later",
                where=connection.address,
                next_step="see on the server's console where its start has come to",
            )
        time.sleep(_BETWEEN)


def declared_unlock(environment: Environment) -> Callable[[Connection], str]:
    """What gives a starting host its declared passphrase, once it asks; for `reboot`.

    A host whose initramfs is not pinned asks for none.
    """
    known: dict[str, tuple[Initramfs, str]] = {}

    def give_once(connection: Connection) -> str:
        if connection.host not in known:
            try:
                initramfs = initramfs_of(environment, connection)
            except PasInfraError:
                return ""
            try:
                passphrase = secret(environment, connection.host, "installation_passphrase")
            except PasInfraError as error:
                return error.what
            known[connection.host] = (initramfs, passphrase)
        said, words = give(*known[connection.host])
        if said is Said.OTHER_KEY:
            return _attack(known[connection.host][0]).what
        if said in (Said.REFUSED, Said.WRONG):
            return words
        return ""

    return give_once


def declared_passphrases(environment: Environment, host: Host) -> list[str]:
    """What is declared to open the host's disks, and then what did before a change of it.

    Raises PasInfraError where nothing is declared.
    """
    names = ("installation_passphrase", "installation_former_passphrase")
    found = [secret(environment, host.name, name) for name in names]
    if not found[0]:
        raise PasInfraError(
            f"no installation_passphrase is declared for {host.name}",
            where=environment.directory,
            next_step="vault it in the inventory, or type it: pas-infra unlock --ask",
        )
    return [passphrase for passphrase in found if passphrase]


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


def _attack(initramfs: Initramfs) -> PasInfraError:
    return PasInfraError(
        f"whoever answers for the initramfs of {initramfs.connection.host} shows another host key "
        "than the pinned one: take it for an attack. It was told nothing",
        where=f"{initramfs.pins}, {initramfs.alias}",
        next_step="look at the server's console; if it was installed anew by somebody else, its "
        "/boot is theirs too: install it again from the rescue system",
    )
