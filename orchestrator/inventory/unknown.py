"""Equipment that nobody declared, or that is declared and not there: pure functions.

What is declared is what the environment says anyway, nothing has to be listed twice:

- a host is declared in hosts.yml; the machine that answers must bear its name;
- an address is declared among the host's in environment.yml (`ansible_host` where that lists none).
  Link-local ones are not compared, nor those of a host that is reached by a name only;
- an interface is declared when it bears a declared address, or when one that does is made of it or
  on it (a bond's and a bridge's ports, what a VLAN stands on). A socket of the machine that nobody
  has brought up is part of the machine;
- a disk is declared by serial number or size in `installation_disks`. Where a host has none of
  those, disks are listed, not compared: so too on a lab's machine that was started from an image,
  beside which the declared ones are not there. A container has none of its own.

What is rightly there and cannot be declared so is accepted in waivers.yml, until a day:
`rule: inventory:unmanaged interface eth1`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from orchestrator.drift.finding import Eye, Finding, FindingKind, Severity
from orchestrator.environment import Environment, Waiver
from orchestrator.inventory.equipment import Disk, Equipment, Interface

_MEASURE = "4.1.1"
_GB = 10**9
_SOLD_WITHIN = 0.02  # of its size, as role installation takes it: 960 GB may be 960.2
_RULE = "inventory:{kind} {object}"


@dataclass(frozen=True)
class Declared:
    """What is declared of one host; what nothing declares is None, and not compared.

    `serials` and `sizes_gb` are those of disks; there are as many of a size as it is named.
    `all_or_none`: a machine that has none of the disks was started from something else.
    """

    addresses: frozenset[str] | None = None
    serials: frozenset[str] | None = None
    sizes_gb: tuple[int, ...] = ()
    all_or_none: bool = False


def declared_of(environment: Environment, host: str, disks: object) -> Declared:
    """What the environment declares; `disks` is the host's `installation_disks`, None if unset."""
    addresses = frozenset(map(_address, filter(_is_address, environment.host(host).addresses)))
    entries = [one for one in disks if isinstance(one, dict)] if isinstance(disks, list) else []
    serials = [str(one["serial"]) for one in entries if one.get("serial")]
    sizes = tuple(int(one["size_gb"]) for one in entries if one.get("size_gb"))
    known = frozenset(serials) if serials or sizes else None
    return Declared(addresses or None, known, sizes, all_or_none=environment.kind == "lab")


def unknown_equipment(there: Equipment, declared: Declared) -> tuple[Finding, ...]:
    """Every deviation of a host from what is declared; nothing of what was not looked at."""
    found = [
        *_host(there),
        *(_network(there, declared.addresses) if declared.addresses else ()),
        *(_disks(there, declared) if declared.serials is not None else ()),
    ]
    return tuple(sorted(found, key=lambda one: (-one.severity, one.object)))


def rule_of(finding: Finding) -> str:
    """The rule of waivers.yml that accepts it: `inventory:unmanaged interface eth1`."""
    return _RULE.format(kind=finding.kind, object=finding.object)


def accepting(finding: Finding, waivers: Iterable[Waiver]) -> Waiver | None:
    """The waiver that accepts it, the one that holds longest; it may have expired."""
    rule, host = rule_of(finding), finding.host
    known = (one for one in waivers if one.rule == rule and host in (one.hosts or (host,)))
    return max(known, key=lambda one: one.until, default=None)


def _host(there: Equipment) -> Iterator[Finding]:
    name = there.system.hostname if there.system else ""
    if name and name.partition(".")[0] != there.host:
        why = f"the machine that answers for {there.host} calls itself so"
        yield _finding(there.host, FindingKind.UNMANAGED, "host", name, why)


def _network(there: Equipment, declared: frozenset[str]) -> Iterator[Finding]:
    if "interfaces" in there.blind:
        return
    by_name = {one.name: one for one in there.interfaces}
    used = {
        name
        for one in there.interfaces
        if declared.intersection(map(_address, one.addresses))
        for name in _beneath(one, by_name)
    }
    for one in there.interfaces:
        socket = one.physical and not one.up and not one.addresses
        if one.name not in used and not socket:
            why = f"{one.kind or 'of no kind'}, {one.mac or 'no MAC'}: it has no declared address"
            yield _finding(there.host, FindingKind.UNMANAGED, "interface", one.name, why)
        for address in one.addresses:
            if _address(address) not in declared:
                why = f"{one.name} has it, and environment.yml does not declare it"
                yield _finding(there.host, FindingKind.UNMANAGED, "address", address, why)
    seen = {_address(address) for one in there.interfaces for address in one.addresses}
    for address in sorted(declared - seen):
        why = "environment.yml declares it, and no interface has it"
        yield _finding(there.host, FindingKind.MISSING, "address", address, why)


def _beneath(one: Interface, by_name: Mapping[str, Interface]) -> set[str]:
    """It, and those that carry it: ports of a bond or bridge, what a VLAN is made on."""
    found, waiting = {one.name}, [one.name]
    while waiting:
        name = waiting.pop()
        carrying = {port.name for port in by_name.values() if port.part_of == name}
        if name in by_name and by_name[name].made_on in by_name:
            carrying.add(by_name[name].made_on)
        waiting += carrying - found
        found |= carrying
    return found


def _disks(there: Equipment, declared: Declared) -> Iterator[Finding]:
    if "disks" in there.blind or there.machine is None or there.machine.container:
        return
    serials = declared.serials or frozenset()
    if declared.all_or_none and not serials & {disk.serial for disk in there.disks}:
        return
    named, others = set[str](), list[Disk]()
    for disk in there.disks:
        if disk.serial in serials - named:
            named.add(disk.serial)
        else:  # a second one of a serial number is another disk
            others.append(disk)
    left = Counter(declared.sizes_gb)
    for disk in others:
        size = next((gb for gb in left if left[gb] and _sold_as(disk, gb)), None)
        if size is None:
            why = f"{disk.model or 'no model'}, {disk.bytes // _GB} GB: nothing declares it"
            if disk.serial in named:
                why = f"{why}, and another disk has its serial number"
            yield _finding(there.host, FindingKind.UNMANAGED, "disk", disk.identity, why)
        else:
            left[size] -= 1
    for serial in sorted(serials - named):
        why = "it is declared by its serial number, and not there"
        yield _finding(there.host, FindingKind.MISSING, "disk", serial, why)
    for size in sorted(left.elements()):
        why = "it is declared by its size, and not there"
        yield _finding(there.host, FindingKind.MISSING, "disk", f"{size} GB", why)


def _sold_as(disk: Disk, gigabytes: int) -> bool:
    return abs(disk.bytes - gigabytes * _GB) <= _SOLD_WITHIN * gigabytes * _GB


def _address(with_length: str) -> str:
    plain = with_length.partition("/")[0]
    return str(ip_address(plain)) if _is_address(plain) else plain


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _finding(host: str, what: FindingKind, kind: str, name: str, why: str) -> Finding:
    there = what is FindingKind.UNMANAGED
    return Finding(
        kind=what,
        host=host,
        object_kind=kind,
        name=name,
        eye=Eye.COLLECTOR,
        severity=Severity.HIGH if there else Severity.MEDIUM,
        measures=(_MEASURE,),
        seen=why,
    )
