"""How a host's disks are declared to be encrypted, and what opens each."""

from orchestrator.environment import Environment, Host
from orchestrator.errors import PasInfraError
from orchestrator.keys.devices import Device
from orchestrator.keys.key_store import key_store
from orchestrator.unlock import declared_passphrases, settings


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
    """What it costs to try a key: memory in MiB, passes, threads."""
    names = ("memory_mib", "iterations", "threads")
    found = settings(environment, host.name, *(f"installation_argon2_{name}" for name in names))
    return {name: int(found[f"installation_argon2_{name}"]) for name in names}


def cipher(environment: Environment, host: Host) -> dict[str, object]:
    """Cipher and size in bits of a volume key."""
    found = settings(environment, host.name, "installation_cipher", "installation_key_bits")
    return {
        "cipher": str(found["installation_cipher"]),
        "key_bits": int(found["installation_key_bits"]),
    }
