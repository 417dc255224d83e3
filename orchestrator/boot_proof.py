"""The proof that the next start of a host can be unlocked, before whoever restarts it does so.

Its initramfs is unpacked and compared with what must be true: it opens the disks that the system
lies on, shows the pinned host key, lets in who may unlock, and has the running address and the
driver of the network card.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import resources

from orchestrator.engine import Connection
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.reboot import Ask, UnlockProof
from orchestrator.unlock import initramfs_of, pinned

Facts = Mapping[str, Sequence[str]]

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
        if facts["encrypted"] != ["yes"]:
            return ""
        try:
            initramfs = initramfs_of(environment, connection)
        except PasInfraError as error:
            return error.what
        return "\n".join(faults(facts, pinned(initramfs.pins, initramfs.alias)))

    return prove


def read_facts(said: str) -> Facts:
    """What boot_proof.sh printed, by the first word of its lines; what is not there is empty."""
    facts: dict[str, list[str]] = defaultdict(list)
    for line in said.splitlines():
        word, _, rest = line.partition(" ")
        facts[word].append(rest)
    return facts


def faults(facts: Facts, pins: Sequence[str]) -> list[str]:
    """What stands against the next start of an encrypted host, a sentence each.

    `pins` are the host keys of its initramfs, type and key.
    """
    if facts["missing"]:
        return [f"the boot loader's first entry has no {facts['missing'][0]}"]
    opened = " ".join(facts["crypttab"])
    found = [
        f"its initramfs does not open the disk {uuid}"
        for uuid in facts["luks"] or ["of LUKS"]
        if uuid not in opened
    ]
    if not facts["unlocker"]:
        found.append("its initramfs has no cryptroot-unlock")
    if not facts["hostkey"]:
        found.append("its initramfs has no host key, so nobody reaches it over SSH")
    found += [
        f"its initramfs has a host key that is not pinned ({key.split()[0]})"
        for key in facts["hostkey"]
        if key not in pins
    ]
    if not facts["letsin"]:
        found.append("its initramfs lets nobody in")
    elif sorted(facts["letsin"]) != sorted(facts["wanted"]):
        found.append("its initramfs lets in others than /etc/dropbear/initramfs/authorized_keys")
    found += _network_faults(facts)
    return found


def _network_faults(facts: Facts) -> list[str]:
    if not facts["ip"]:
        return ["its initramfs has no address"]
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
    driver = " ".join(facts["driver"])
    if driver not in ("there", "built-in"):
        found.append(f"its initramfs has no driver for its network card ({driver or 'unknown'})")
    return found
