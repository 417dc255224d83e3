"""Unlock: give a server that has restarted the passphrase of its disks, over SSH.

Who asks for it is its initramfs (orchestrator/initramfs.py).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.engine import Connection, connections, secret
from orchestrator.environment import Environment, Host
from orchestrator.errors import PasInfraError
from orchestrator.initramfs import Initramfs, Said, attack, give, initramfs_of
from orchestrator.reboot import Ask
from orchestrator.runs import recorded

_BETWEEN = 2.0  # seconds between two attempts to reach it
_PAUSE = 10.0  # seconds after which an initramfs that was busy is asked again
# What is wrong with a system that has just started, a line each.
LOOK = """
systemctl is-system-running --wait > /dev/null || :
systemctl list-units --failed --plain --no-legend | sed 's/ .*/ has failed/'
awk '/^md/ { name = $1 }
    /\\[[U_]*_[U_]*\\]$/ { print "the mirror " name " lacks a disk" }' /proc/mdstat || :
"""


@dataclass(frozen=True)
class Unlocked:
    """What became of an unlock: seconds until it asked, until it was open, until it ran.

    All are 0 for a host that was running already.
    """

    run_id: int
    asked: float = 0.0
    opened: float = 0.0
    running: float = 0.0


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
            raise attack(initramfs)
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


def faults_after(connection: Connection, ask: Ask) -> tuple[str, ...]:
    """What is wrong with a host that runs again: failed units, mirrors that lack a disk."""
    code, said = ask(connection, LOOK)
    return tuple(said.splitlines()) if code == 0 else ("it could not be asked how it is",)


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
            return attack(known[connection.host][0]).what
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
