"""Change the keys of a host's encrypted disks; at every moment one that is known opens each."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.engine import Connection, OnProgress, PlayOutcome, Strategy, connections
from orchestrator.environment import Environment, Host
from orchestrator.errors import PasInfraError
from orchestrator.keys import escrow
from orchestrator.keys.call import call
from orchestrator.keys.devices import Device
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.runs import Recorder, recorded
from orchestrator.unlock import declared_passphrases, settings

_MEASURES = ("6.4.1", "6.4.2")
_BETWEEN = 3.0  # seconds between two looks at how far a disk is


@dataclass(frozen=True)
class Watching:
    """Who is told what a change comes to: a stage, what was done, and what Ansible reports."""

    stage: Callable[[str], None]
    tell: Callable[[str], None]
    progress: OnProgress


@dataclass(frozen=True)
class Changed:
    """What was done, a sentence for each device, and what became of the headers' escrow."""

    run_id: int
    done: tuple[str, ...]
    outcome: PlayOutcome


def change_passphrase(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    watching: Watching,
    *,
    uuids: tuple[str, ...] = (),
) -> Changed:
    """Let the declared passphrase take the former one's place on the host's disks; recorded.

    Cut short anywhere, either opens each disk, and the next call goes on. Raises PasInfraError when
    neither opens one, and when a key is there that neither is: nobody may destroy an unknown one.
    """
    options = {"hosts": [host.name], "what": "passphrase"}
    with recorded(environment, "keys rotate", options) as run:
        connection = connections(environment, [host.name])[0]
        new, *others = declared_passphrases(environment, host)
        former = others[0] if others else ""
        if new == former:
            raise PasInfraError(
                f"the former passphrase of {host.name} is the declared one",
                where=environment.directory,
                next_step="vault a new one as installation_passphrase (docs/how-to/keys.md)",
            )
        derivation = _derivation(environment, host)
        done, sums = [], {}
        for device in escrow.devices_of(connection, uuids):
            watching.stage(f"passphrase of {device.path}")
            said = call(
                connection, "passphrase", uuid=device.uuid, new=new, former=former,
                derivation=derivation,
            )  # fmt: skip
            sentence = passphrase_sentence(device.path, said)
            _keep(run, device, sentence, changed=said["added"] or bool(said["removed"]))
            watching.tell(sentence)
            done.append(sentence)
            if strangers := said["strangers"]:
                raise PasInfraError(
                    f"{device.path} of {host.name} has keys that are neither the declared "
                    f"passphrase nor the former one: slot {', '.join(map(str, strangers))}",
                    where=device.uuid,
                    next_step="find out whose they are; installation_former_passphrase lets this "
                    "command remove one, and on the host cryptsetup luksKillSlot does",
                )
            sums[device.uuid] = str(said["sha256"])
        watching.stage("escrow")
        outcome = escrow.replace(environment, host, strategy, sums, run, watching.progress)
        return Changed(run.id, tuple(done), outcome)


def change_volume_key(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    watching: Watching,
    *,
    uuids: tuple[str, ...] = (),
    between: float = _BETWEEN,
) -> Changed:
    """Encrypt the host's disks anew, under a new volume key each, while they are used; recorded.

    A unit of the host does it: whoever stops this call stops only to watch, and the next one goes
    on. Raises PasInfraError when a header is not in escrow as it is: what was cut short before is
    to be ended first.
    """
    options = {"hosts": [host.name], "what": "volume key"}
    with recorded(environment, "keys rotate", options) as run:
        connection = connections(environment, [host.name])[0]
        passphrase = declared_passphrases(environment, host)[0]
        chosen = in_order(escrow.devices_of(connection, uuids))
        asked = {
            "passphrase": passphrase,
            "derivation": _derivation(environment, host),
            **_cipher(environment, host),
        }
        done, sums = [], {}
        for device in chosen:
            watching.stage(f"volume key of {device.path}")
            before = call(connection, "look", uuid=device.uuid)
            said = call(connection, "reencrypt", uuid=device.uuid, **asked)
            if device.under_way:
                watching.tell(f"{device.path}: goes on where it was")
            said = _watch(connection, device, said, watching.stage, between)
            if not device.under_way and said["volume_key"] == before["volume_key"]:
                raise PasInfraError(
                    f"{device.path} of {host.name} still has its former volume key",
                    where=said["said"] or device.uuid,
                    next_step="the same command again",
                )
            sentence = f"{device.path} is encrypted under a new volume key"
            _keep(run, device, sentence, changed=True)
            watching.tell(sentence)
            done.append(sentence)
            sums[device.uuid] = str(said["sha256"])
        watching.stage("escrow")
        outcome = escrow.replace(environment, host, strategy, sums, run, watching.progress)
        return Changed(run.id, tuple(done), outcome)


def passphrase_sentence(path: str, said: Mapping[str, Any]) -> str:
    """What a host's answer about a new passphrase means, in words."""
    if said["added"]:
        begin = f"{path}: the declared passphrase was added (slot {said['slot']})"
    else:
        begin = f"{path}: the declared passphrase opens it (slot {said['slot']})"
    removed = ", ".join(map(str, said["removed"]))
    return f"{begin}, the former one removed (slot {removed})" if removed else begin


def progress_sentence(path: str, progress: Mapping[str, Any] | None) -> str:
    """How far a disk is, as cryptsetup's progress in JSON says; its figures are strings."""
    try:
        written, size = int(progress["device_bytes"]), int(progress["device_size"])  # type: ignore[index]
        left = int(progress["eta_ms"]) // 1000  # type: ignore[index]
        share = 100 * written // size
    except (LookupError, TypeError, ValueError, ZeroDivisionError):
        return f"volume key of {path}"
    return f"volume key of {path}, {share} %, {left // 60} min left"


def in_order(chosen: tuple[Device, ...]) -> list[Device]:
    """What is under way first; raises PasInfraError when a header is not in escrow as it is."""
    for device in chosen:
        if not device.under_way and not device.in_escrow:
            raise PasInfraError(
                f"{device.path} of {device.host}: {device.faults[0]}",
                where=device.uuid,
                next_step=f"pas-infra keys escrow {device.host} proves what is there and keeps it; "
                "then the same command again",
            )
    return sorted(chosen, key=lambda device: not device.under_way)


def _watch(
    connection: Connection,
    device: Device,
    said: dict[str, Any],
    stage: Callable[[str], None],
    between: float,
) -> dict[str, Any]:
    shown = ""
    while said["running"]:
        now = progress_sentence(device.path, said["progress"])
        if now != shown:
            stage(now)
            shown = now
        time.sleep(between)
        said = call(connection, "look", uuid=device.uuid)
    if said["failed"] or said["under_way"]:
        raise PasInfraError(
            f"the change of the volume key of {device.path} of {connection.host} has stopped: "
            f"{said['said'] or 'cryptsetup says nothing'}",
            where=device.uuid,
            next_step="the same command goes on where it stopped; the passphrase opens the disk "
            "meanwhile, too",
        )
    return said


def _derivation(environment: Environment, host: Host) -> dict[str, int]:
    names = ("memory_mib", "iterations", "threads")
    found = settings(environment, host.name, *(f"installation_argon2_{name}" for name in names))
    return {name: int(found[f"installation_argon2_{name}"]) for name in names}


def _cipher(environment: Environment, host: Host) -> dict[str, object]:
    found = settings(
        environment, host.name, "installation_cipher", "installation_key_bits"
    )  # fmt: skip
    return {
        "cipher": str(found["installation_cipher"]),
        "key_bits": int(found["installation_key_bits"]),
    }


def _keep(run: Recorder, device: Device, sentence: str, *, changed: bool) -> None:
    run.keep(
        TaskResult(
            host=device.host,
            role="",
            task=sentence,
            action="cryptsetup",
            status=TaskStatus.CHANGED if changed else TaskStatus.OK,
            measures=_MEASURES,
        )
    )
