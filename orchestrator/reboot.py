"""Reboot: every restart of a host goes through here, one host at a time, each until it is back."""

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from orchestrator.engine import Connection

# The operators' way to the others: it goes last.
LAST = "bastion"
BACK_WITHIN = (
    1200.0  # seconds; a server of flesh and blood takes five minutes, an emulated one more
)
_BETWEEN = 3.0  # seconds between two attempts to log in

# Runs a script as root on the host; returns its exit code and what it printed. 255: not reached.
Ask = Callable[[Connection, str], tuple[int, str]]
# Why the next boot of a host could not be unlocked; "" when it is proven that it can.
UnlockProof = Callable[[Connection, Ask], str]
# Gives a host that is starting the passphrase of its disks, if it asks for one; why that cannot
# succeed, "" as long as it may.
Unlock = Callable[[Connection], str]

_REASONS = (
    "test -e /run/reboot-required || exit 0\n"
    "cat /run/reboot-required.pkgs 2> /dev/null || echo 'the system asks for it'\n"
)
# Prints why the host is not to be restarted now, a line each.
_OBSTACLES = """
systemd-detect-virt --container --quiet && echo 'it is a container, which only its carrier starts'
state=$(systemctl is-system-running || :)
case $state in running | degraded) ;; *) echo "the host is $state" ;; esac
find /var/lib/pas-infra/commits -mindepth 1 -maxdepth 1 -type d \
  -printf 'the change %f waits for its confirmation\\n' 2> /dev/null || :
for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/cache/apt/archives/lock \
  /run/unattended-upgrades.lock; do
    # Who installs holds one; the daemon of unattended-upgrades that waits for a shutdown does not.
    [ -e "$lock" ] && grep -q ":$(stat -c %i "$lock") [0-9]" /proc/locks &&
        echo "packages are being installed: $lock is held"
done
systemctl list-units --plain --no-legend --state=active,activating 'pas-infra-reencrypt-*' |
    sed 's/ .*/ changes the key of a volume: wait until it has ended/'
dpkg --audit | grep -q . && echo 'packages are half installed: dpkg --audit'
for kernel in /boot/vmlinuz-*; do
    [ ! -e "$kernel" ] || [ -e "/boot/initrd.img-${kernel#*vmlinuz-}" ] ||
        echo "the kernel ${kernel#*vmlinuz-} has no initramfs"
done
"""
_STATE = """
cat /proc/sys/kernel/random/boot_id
systemctl is-system-running --wait || :
systemctl list-units --failed --plain --no-legend | cut -d' ' -f1
"""


@dataclass(frozen=True)
class Reboot:
    """What became of a host that waits for a restart; `fault` says why it is not back."""

    host: str
    reasons: tuple[str, ...]
    fault: str = ""
    seconds: float = 0.0

    @property
    def is_back(self) -> bool:
        """Whether it was restarted and runs again."""
        return self.seconds > 0 and not self.fault


def waiting(connections: Sequence[Connection], ask: Ask | None = None) -> list[Reboot]:
    """The hosts on which something waits for a restart, in their order, the bastion last."""
    put = ask or ask_host
    ordered = sorted(connections, key=lambda connection: connection.host == LAST)
    with ThreadPoolExecutor(max_workers=max(len(ordered), 1)) as pool:
        answers = list(pool.map(lambda connection: put(connection, _REASONS), ordered))
    return [
        Reboot(connection.host, tuple(said.splitlines()))
        for connection, (code, said) in zip(ordered, answers, strict=True)
        if code == 0 and said.strip()
    ]


def reboot(
    connections: Sequence[Connection],
    on_host: Callable[[str], None],
    *,
    ask: Ask | None = None,
    prove: UnlockProof | None = None,
    unlock: Unlock | None = None,
    back_within: float = BACK_WITHIN,
) -> list[Reboot]:
    """Restart the hosts that wait for it, one by one; the first that does not come back ends it.

    `on_host` is told each host's name before it is restarted; `back_within` is in seconds. Without
    `prove` and `unlock`, a host whose disks are encrypted is left alone.
    """
    put, proof = ask or ask_host, prove or unlocks_without_anybody
    open_it = unlock or _needs_nobody
    by_name = {connection.host: connection for connection in connections}
    done: list[Reboot] = []
    for one in waiting(connections, put):
        if failed := next((each for each in done if each.seconds and each.fault), None):
            done.append(replace(one, fault=f"left alone: {failed.host} is not back"))
            continue
        connection = by_name[one.host]
        code, obstacles = put(connection, _OBSTACLES)
        locked = proof(connection, put)
        if code == 255 or obstacles.strip() or locked:
            why = "no answer over SSH" if code == 255 else obstacles.strip() or locked
            done.append(replace(one, fault=f"not restarted: {'; '.join(why.splitlines())}"))
            continue
        on_host(one.host)
        done.append(_restart(one, connection, put, open_it, back_within))
    return done


def unlocks_without_anybody(connection: Connection, ask: Ask) -> str:
    """Whether the next boot needs nobody: no disk is encrypted that the root file system lies on.

    The proof that an encrypted one can be unlocked takes this function's place.
    """
    code, kinds = ask(connection, "lsblk --noheadings --inverse -o TYPE $(findmnt -no SOURCE /)")
    if code == 0 and "crypt" in kinds.split():
        return "its disk is encrypted, and nothing proves that its next boot can be unlocked"
    return ""


def _needs_nobody(connection: Connection) -> str:
    del connection
    return ""


def ask_host(connection: Connection, script: str) -> tuple[int, str]:
    """Run a script as root over a connection of its own."""
    try:
        done = subprocess.run(
            [*connection.ssh_batch, "sudo", "sh", "-s"],
            input=script,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 255, ""
    return done.returncode, done.stdout


def _restart(
    one: Reboot, connection: Connection, ask: Ask, unlock: Unlock, back_within: float
) -> Reboot:
    _, before = ask(connection, _STATE)
    started = time.monotonic()
    ask(connection, "systemctl reboot")
    while (passed := time.monotonic() - started) < back_within:
        code, now = ask(connection, _STATE)
        if code == 0 and now.split()[:1] != before.split()[:1]:
            more = sorted(set(now.split()[2:]) - set(before.split()[2:]))
            fault = f"is back, but without {', '.join(more)}" if more else ""
            return replace(one, fault=fault, seconds=time.monotonic() - started)
        if code == 255 and (locked := unlock(connection)):
            return replace(one, fault=f"is locked: {locked}", seconds=time.monotonic() - started)
        time.sleep(_BETWEEN)
    return replace(one, fault=f"is not back after {passed:.0f} s", seconds=passed)
