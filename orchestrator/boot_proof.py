"""The proof that the next start of a host can be unlocked, before whoever restarts it does so.

Its initramfs is unpacked and compared with what must be true: it opens the disks that the system
lies on, shows the pinned host key, lets in who may unlock, and has the running address and the
driver of the network card.
"""

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from orchestrator.engine import Connection, secret, variables
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.initramfs import initramfs_of, pinned
from orchestrator.reboot import Ask, UnlockProof

Facts = Mapping[str, Sequence[str]]

_KEYS = "initramfs_unlock_keys"
_TANG = "initramfs_tang_url"
# As templates/unlock_keys.j2 of role initramfs writes it.
_LETS_IN = (
    'no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="/usr/bin/cryptroot-unlock" '
)
# The shell's own printf: no process has the passphrase among its arguments.
_TRY = """\
printf %s {passphrase} | cryptsetup open --test-passphrase --key-file=- /dev/disk/by-uuid/{uuid}
"""
_SCRIPT = resources.files("orchestrator") / "boot_proof.sh"


def unlock_proof(environment: Environment) -> UnlockProof:
    """Why the next start of a host could not be unlocked, "" when it can, as a function of it."""

    def prove(connection: Connection, ask: Ask) -> str:
        code, said = ask(connection, _SCRIPT.read_text("utf-8"))
        if code != 0:
            return (
                f"nothing proves that its next start can be unlocked: the proof ended with {code}"
            )
        facts = read_facts(said)
        if facts["encrypted"] == ["no"]:
            return ""
        if facts["encrypted"] != ["yes"]:
            return "nothing proves that its next start can be unlocked: what it lies on is unknown"
        try:
            initramfs = initramfs_of(environment, connection)
            declared = variables(environment, [connection.host], [_KEYS, _TANG])[connection.host]
            passphrase = secret(environment, connection.host, "installation_passphrase")
        except PasInfraError as error:
            return error.what
        wanted = Wanted(
            host_keys=tuple(pinned(initramfs.pins, initramfs.alias)),
            lets_in=tuple(declared[_KEYS] or ()),
            port=initramfs.port,
            tang=bool(declared[_TANG]),
        )
        found = faults(facts, wanted)
        for uuid in facts["luks"]:
            # On stdin, as all of the script: it is no argument there either.
            code, _ = ask(connection, _TRY.format(passphrase=shlex.quote(passphrase), uuid=uuid))
            if code != 0 or not passphrase:
                found.append(f"the declared installation_passphrase does not open the disk {uuid}")
        return "\n".join(found)

    return prove


@dataclass(frozen=True)
class Wanted:
    """What is declared of an initramfs: host keys (type and key), who is let in, on which port.

    `tang`: whether it asks a Tang server, too.
    """

    host_keys: tuple[str, ...]
    lets_in: tuple[str, ...]
    port: int
    tang: bool = False


def read_facts(said: str) -> Facts:
    """What boot_proof.sh printed, by the first word of its lines; what is not there is empty."""
    facts: dict[str, list[str]] = defaultdict(list)
    for line in said.splitlines():
        word, _, rest = line.partition(" ")
        facts[word].append(rest)
    return facts


def faults(facts: Facts, wanted: Wanted) -> list[str]:
    """What stands against the next start of an encrypted host, a sentence each."""
    if facts["missing"]:
        return [f"the boot loader's first entry has no {facts['missing'][0]}"]
    opened = " ".join(facts["crypttab"])
    found = [
        f"its initramfs does not open the disk {uuid}"
        for uuid in facts["luks"] or ["of LUKS"]
        if uuid not in opened
    ]
    if facts["chosen"]:
        found.append(f"the boot loader was told to start another entry: {facts['chosen'][0]}")
    if not facts["dropbear"]:
        found.append("its initramfs has no dropbear, so nobody reaches it over SSH")
    if facts["port"] != [str(wanted.port)]:
        found.append(f"its initramfs listens on port {' '.join(facts['port'])}, not {wanted.port}")
    if not facts["unlocker"]:
        found.append("its initramfs has no cryptroot-unlock")
    if bool(facts["tang"]) != wanted.tang:
        does = "does not ask Tang" if wanted.tang else "asks Tang, which nobody declared"
        found.append(f"its initramfs {does}")
    if not facts["hostkey"]:
        found.append("its initramfs has no host key, so nobody reaches it over SSH")
    found += [
        f"its initramfs has a host key that is not pinned ({key.split()[0]})"
        for key in facts["hostkey"]
        if key not in wanted.host_keys
    ]
    declared = sorted(f"{_LETS_IN}{key.strip()}" for key in wanted.lets_in)
    if sorted(facts["letsin"]) != declared:
        found.append("its initramfs lets in others than initramfs_unlock_keys declares")
    found += _network_faults(facts)
    return found


def _network_faults(facts: Facts) -> list[str]:
    if not facts["ip"]:
        return ["its initramfs has no address"]
    if facts["overrides"]:
        return [f"the kernel is told something else than its initramfs: {facts['overrides'][0]}"]
    # ip=ADDRESS:SERVER:GATEWAY:NETMASK:NAME:INTERFACE:METHOD, of which the server is not used.
    address, _, gateway, _, _, interface = [*facts["ip"][0].split(":"), *[""] * 6][:6]
    compared = {
        "address": (address, facts["address"]),
        "gateway": (gateway, facts["gateway"]),
        "interface": (interface, facts["interface"]),
    }
    found = [
        f"its initramfs would have the {what} {would or 'of nobody'}, and it runs with "
        f"{' and '.join(runs) or 'none'}"
        for what, (would, runs) in compared.items()
        if would not in runs
    ]
    if facts["mac"][0] not in (link.lower() for link in facts["link"]):
        found.append(f"its initramfs does not know the network card {facts['mac'][0]} by its name")
    driver = " ".join(facts["driver"])
    if driver not in ("there", "built-in"):
        found.append(f"its initramfs has no driver for its network card ({driver or 'unknown'})")
    return found
