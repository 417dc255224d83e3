"""How a host's disks are declared to be encrypted, and what opens each."""

from collections.abc import Sequence

from orchestrator.engine import variables
from orchestrator.environment import Environment, Host, role_defaults
from orchestrator.errors import PasInfraError
from orchestrator.initramfs import settings
from orchestrator.keys.devices import Device, Tang
from orchestrator.keys.key_store import key_store
from orchestrator.paths import project_root
from orchestrator.unlock import declared_passphrases

_SLOTS = "encryption_key_slots"


def declared_tang(environment: Environment, hosts: Sequence[str]) -> dict[str, Tang | None]:
    """What is declared to open the system's disk of each host without a hand; usually None."""
    names = ("initramfs_tang_url", "initramfs_tang_thumbprint")
    found = {}
    for host, declared in variables(environment, hosts, names).items():
        url, thumbprint = (str(declared[name] or "") for name in names)
        found[host] = Tang(url, thumbprint) if url else None
    return found


def passphrase_of(environment: Environment, host: Host, device: Device) -> str:
    """What opens a device: the host's declared passphrase, or the key of the client whose it is.

    Raises PasInfraError where there is none, and for a client whose data does not lie there: the
    host says itself whose a device is.
    """
    if not device.client:
        return declared_passphrases(environment, host)[0]
    if (device.client, host.name) not in {(one.name, one.host) for one in environment.clients}:
        raise PasInfraError(
            f"{device.path} of {host.name} is called the volume of {device.client}, who is no "
            "client there",
            where=environment.directory / "clients.yml",
            next_step="pas-infra client list shows what is declared and what is there",
        )
    return key_store(environment, host.name).key_of(device.client)


def derivation(environment: Environment, host: Host) -> dict[str, int]:
    """What it costs to try a key: memory in MiB, passes, threads.

    Memory and passes are the least that the checks of role encryption let hold.
    """
    names = {
        "memory_mib": "encryption_argon2_memory_mib",
        "iterations": "encryption_argon2_iterations",
        "threads": "installation_argon2_threads",
    }
    found = settings(environment, host.name, *names.values())
    return {name: int(found[variable]) for name, variable in names.items()}


def key_slots(environment: Environment, hosts: Sequence[str]) -> dict[str, int]:
    """How many keys are to open each device, by host."""
    default = role_defaults(project_root() / "roles/encryption")[_SLOTS]
    declared = variables(environment, hosts, [_SLOTS])
    return {host: int(declared[host][_SLOTS] or default) for host in hosts}


def cipher(environment: Environment, host: Host) -> dict[str, object]:
    """Cipher and size in bits of a volume key."""
    found = settings(environment, host.name, "encryption_cipher", "encryption_key_bits")
    return {
        "cipher": str(found["encryption_cipher"]),
        "key_bits": int(found["encryption_key_bits"]),
    }
