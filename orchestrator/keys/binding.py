"""Tang beside the passphrase: what opens a server's system without a hand, if that is accepted."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from orchestrator.engine import PlayStatus, Strategy
from orchestrator.environment import Environment, Host, Waiver
from orchestrator.errors import PasInfraError
from orchestrator.keys import escrow
from orchestrator.keys.call import call
from orchestrator.keys.declared import declared_tang, derivation, passphrase_of
from orchestrator.keys.devices import Device, Tang
from orchestrator.keys.work import Watching, working

ACCEPTED_BY = "test_encryption.py::test_a_hand_opens_its_disks"  # the rule of the waiver


def bind(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    watching: Watching,
    *,
    uuids: tuple[str, ...] = (),
) -> escrow.Escrowed:
    """Have the declared Tang open the disk of the host's system, and no other; recorded.

    The passphrase opens it as before, wherever this is cut short. Raises PasInfraError, and changes
    nothing, when no Tang is declared, when no waiver accepts the risk, and when whoever answers
    there does not sign with the declared key.
    """
    tang = _accepted(environment, host, date.today())
    more = {
        "url": tang.url,
        "thumbprint": tang.thumbprint,
        "derivation": derivation(environment, host),
    }
    return _change("bind", more, environment, host, strategy, watching, uuids)


def unbind(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    watching: Watching,
    *,
    uuids: tuple[str, ...] = (),
) -> escrow.Escrowed:
    """Have a hand open the host's disks again: whatever Clevis has there goes; recorded."""
    return _change("unbind", {}, environment, host, strategy, watching, uuids)


def _change(
    what: str,
    more: Mapping[str, object],
    environment: Environment,
    host: Host,
    strategy: Strategy,
    watching: Watching,
    uuids: tuple[str, ...],
) -> escrow.Escrowed:
    with working("keys bind", what, environment, host, strategy, watching) as work:
        found = escrow.devices_of(work.connection, uuids)
        chosen = of_the_system(found) if what == "bind" else with_tang(found, named=bool(uuids))
        for device in sorted(chosen, key=lambda one: bool(one.in_escrow)):
            watching.stage(f"Tang of {device.path}")
            passphrase = passphrase_of(environment, host, device)
            said = call(work.connection, what, uuid=device.uuid, passphrase=passphrase, **more)
            changed = said["added"] or bool(said["removed"])
            work.keep(device, sentence(device.path, what, said), changed=changed)
            outcome = work.to_escrow({device.uuid: said["sha256"]})
            if outcome.status is not PlayStatus.OK:
                break
        return work.ended(outcome)


def _accepted(environment: Environment, host: Host, today: date) -> Tang:
    """The declared Tang; raises PasInfraError where there is none, or where nobody accepts it."""
    tang = declared_tang(environment, [host.name])[host.name]
    if tang is None:
        raise PasInfraError(
            f"no Tang is declared to open the disks of {host.name}",
            where=environment.directory,
            next_step="declare initramfs_tang_url and initramfs_tang_thumbprint "
            "(docs/how-to/unattended-unlock.md); --remove takes what is there away",
        )
    if not is_accepted(environment.waivers, host.name, today):
        raise PasInfraError(
            f"nobody has accepted that Tang opens the disks of {host.name} without a hand",
            where=environment.directory / "waivers.yml",
            next_step=f"read docs/explanation/unattended-unlock.md, and have a waiver of "
            f"{ACCEPTED_BY} approved, with its reason and its last day",
        )
    return tang


def is_accepted(waivers: Iterable[Waiver], host: str, today: date) -> bool:
    """Whether somebody has accepted that no hand opens the disks of the host, and still does."""
    return any(
        waiver.rule == ACCEPTED_BY
        and waiver.until >= today
        and (waiver.hosts is None or host in waiver.hosts)
        for waiver in waivers
    )


def of_the_system(found: tuple[Device, ...]) -> list[Device]:
    """Those that the initramfs opens; raises PasInfraError when it is not all that was named."""
    others = [device for device in found if not device.system]
    chosen = [device for device in found if device.system]
    if not chosen:
        raise PasInfraError(
            f"/ of {found[0].host} does not lie on {others[0].path}: its initramfs opens nothing "
            "there",
            where=others[0].uuid,
            next_step="Tang opens the disk of a system only; pas-infra unlock gives the other keys",
        )
    return chosen


def with_tang(found: tuple[Device, ...], *, named: bool) -> list[Device]:
    """Those that are named, else where Clevis may have something; raises PasInfraError for none."""
    # Of the system's, too, where nothing is seen: a call that was cut short may have begun there.
    chosen = [device for device in found if named or device.system or device.tang]
    if not chosen:
        raise PasInfraError(
            f"Tang opens no disk of {found[0].host}",
            next_step="pas-infra keys status shows what does",
        )
    return chosen


def sentence(path: str, what: str, said: Mapping[str, Any]) -> str:
    """What a host's answer means, in words."""
    if what == "unbind":
        begin = f"{path}: the passphrase alone opens it"
    elif said["added"]:
        begin = f"{path}: Tang opens it too (slot {said['slot']})"
    else:
        begin = f"{path}: Tang opens it already (slot {said['slot']})"
    removed = ", ".join(map(str, said["removed"]))
    return f"{begin}; removed: slot {removed}" if removed else begin
