"""Change the keys of a host's encrypted disks, each into escrow before the next."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.engine import Connection, PlayStatus, Strategy, printable
from orchestrator.environment import Environment, Host
from orchestrator.errors import Incomplete, PasInfraError
from orchestrator.keys import escrow
from orchestrator.keys.call import call
from orchestrator.keys.declared import cipher, derivation, key_slots, passphrase_of
from orchestrator.keys.devices import Device
from orchestrator.keys.work import Watching, working
from orchestrator.unlock import declared_passphrases

_LEAST_LETTERS = 32  # of a passphrase, as role installation demands
_BETWEEN = 15.0  # seconds between two looks at how far a disk is
_SILENCES = 20  # looks in a row that may go unanswered


def change_passphrase(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    watching: Watching,
    *,
    uuids: tuple[str, ...] = (),
) -> escrow.Escrowed:
    """Let the declared passphrase take the former one's place on the host's disks; recorded.

    Cut short anywhere, either opens each disk, and the next call goes on. Raises PasInfraError when
    neither opens one, and when more keys are there that neither is than are declared
    (`encryption_key_slots`): nobody may destroy an unknown one.
    """
    with working("keys rotate", "passphrase", environment, host, strategy, watching) as work:
        new, *others = declared_passphrases(environment, host)
        former = others[0] if others else ""
        _judge(environment, host, new, former)
        costs = derivation(environment, host)
        others_declared = key_slots(environment, [host.name])[host.name] - 1
        chosen = with_a_passphrase(escrow.devices_of(work.connection, uuids), named=bool(uuids))
        # What an earlier call has changed and not brought into escrow: nothing else ends before it.
        for device in sorted(chosen, key=lambda one: bool(one.in_escrow)):
            watching.stage(f"passphrase of {device.path}")
            said = call(
                work.connection, "passphrase", uuid=device.uuid, new=new, former=former,
                derivation=costs,
            )  # fmt: skip
            changed = said["added"] or bool(said["removed"])
            work.keep(device, passphrase_sentence(device.path, said), changed=changed)
            outcome = work.to_escrow({device.uuid: said["sha256"]})
            if outcome.status is not PlayStatus.OK:
                break
            refuse_strangers(device, said["strangers"], others_declared)
        return work.ended(outcome)


def refuse_strangers(device: Device, strangers: Sequence[int], others_declared: int) -> None:
    """Raises PasInfraError when a device has more keys of others than are declared."""
    if len(strangers) > others_declared:
        raise PasInfraError(
            f"{device.path} of {device.host} has keys that are neither the declared one nor the "
            f"former one: slot {', '.join(map(str, strangers))}; encryption_key_slots lets "
            f"{others_declared} be there",
            where=device.uuid,
            next_step="find out whose they are; installation_former_passphrase lets keys rotate "
            "remove one, and on the host cryptsetup luksKillSlot does",
        )


def change_volume_key(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    watching: Watching,
    *,
    uuids: tuple[str, ...] = (),
    between: float = _BETWEEN,
) -> escrow.Escrowed:
    """Encrypt the host's disks anew, under a new volume key each, while they are used; recorded.

    A unit of the host does it: whoever stops this call stops only to watch, and the next one goes
    on, also when it has ended meanwhile. `between` are seconds between two looks. Raises
    PasInfraError when a header is not in escrow as it is, and when the change stops.
    """
    with working("keys rotate", "volume key", environment, host, strategy, watching) as work:
        chosen = in_order(escrow.devices_of(work.connection, uuids))
        asked = {
            "derivation": derivation(environment, host),
            **cipher(environment, host),
        }
        if not any(device.under_way or device.awaits_escrow for device in chosen):
            # What the host notes to be in escrow is looked for there before it becomes the last.
            outcome = work.to_escrow({})
            if outcome.status is not PlayStatus.OK:
                return work.ended(outcome)
        for device in chosen:
            watching.stage(f"volume key of {device.path}")
            passphrase = passphrase_of(environment, host, device)
            said = call(
                work.connection, "reencrypt", uuid=device.uuid, passphrase=passphrase, **asked
            )
            if device.under_way:
                watching.tell(f"{device.path}: goes on where it was")
            if said["running"]:
                said = _watch(work.connection, device, watching.stage, between)
            if not said["awaits_escrow"]:
                raise PasInfraError(
                    f"the change of the volume key of {device.path} of {host.name} has stopped: "
                    f"{printable(str(said['said'])) or 'cryptsetup says nothing'}",
                    where=device.uuid,
                    next_step="the same command goes on where it stopped; if it was killed, first "
                    "restart the host: until then a part of the disk waits for it",
                )
            sentence = f"{device.path} is encrypted under a new volume key"
            work.keep(device, sentence, changed=True)
            outcome = work.to_escrow({device.uuid: said["sha256"]})
            if outcome.status is not PlayStatus.OK:
                break
            call(work.connection, "escrowed", uuid=device.uuid)
        return work.ended(outcome)


def with_a_passphrase(chosen: tuple[Device, ...], *, named: bool) -> list[Device]:
    """Those that the host's passphrase opens; raises PasInfraError for a client's that is `named`.

    A client's has a key of its own, of which nobody knows anything.
    """
    for device in chosen:
        if device.client and named:
            raise PasInfraError(
                f"{device.path} of {device.host} is the volume of the client {device.client}: no "
                "passphrase opens it",
                where=device.uuid,
                next_step="--volume-key changes what it is encrypted with",
            )
    others = [device for device in chosen if not device.client]
    if not others:
        raise PasInfraError(
            f"every encrypted disk of {chosen[0].host} is a client's: no passphrase opens one",
            next_step="--volume-key changes what they are encrypted with",
        )
    return others


def _judge(environment: Environment, host: Host, new: str, former: str) -> None:
    """Raises PasInfraError for a passphrase that is too short, or no other one."""
    if new == former:
        what = f"the former passphrase of {host.name} is the declared one"
    elif len(new) < _LEAST_LETTERS:
        what = f"the declared passphrase of {host.name} has fewer than {_LEAST_LETTERS} characters"
    else:
        return
    raise PasInfraError(
        what,
        where=environment.directory,
        next_step="vault a new one as installation_passphrase (docs/how-to/keys.md)",
    )


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
    figures = progress or {}
    try:
        written, size = int(figures["device_bytes"]), int(figures["device_size"])
        left = int(figures["eta_ms"]) // 1000
        share = 100 * written // size
    except (LookupError, TypeError, ValueError, ZeroDivisionError):
        return f"volume key of {path}"
    return f"volume key of {path}, {share} %, {left // 60} min left"


def in_order(chosen: tuple[Device, ...]) -> list[Device]:
    """What was begun first; raises PasInfraError when a header is not in escrow as it is."""
    begun = [device for device in chosen if device.under_way or device.awaits_escrow]
    others = [device for device in chosen if device not in begun]
    for device in others:
        # While another one is begun, that goes on first.
        if not begun and not device.in_escrow:
            raise PasInfraError(
                f"{device.path} of {device.host}: {device.faults[0]}",
                where=device.uuid,
                next_step=f"pas-infra keys escrow {device.host} proves what is there and keeps it; "
                "then the same command again",
            )
    return begun + others


def _watch(
    connection: Connection, device: Device, stage: Callable[[str], None], between: float
) -> dict[str, Any]:
    """Tell how far it is until it ends; then all that can be said of it."""
    shown, silences = "", 0
    while True:
        time.sleep(between)
        try:
            said = call(connection, "look", uuid=device.uuid, whole=False)
        except Incomplete:
            silences += 1
            if silences > _SILENCES:
                raise
            continue
        silences = 0
        if not said["running"]:
            return call(connection, "look", uuid=device.uuid)
        now = progress_sentence(device.path, said["progress"])
        if now != shown:
            stage(now)
            shown = now
