"""The encrypted devices of live hosts, as their headers and the kernel say."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.engine import Connection, ask, printable
from orchestrator.exit_codes import ExitCode
from orchestrator.keys.call import KEYS
from orchestrator.keys.host.tokens import Binding, bindings

# Of a device that cannot be read nothing is known but that.
_NO_HEADER: Mapping[str, Any] = {"segments": {}, "keyslots": {}, "config": {}}

_CLIENT = "client_"  # what the label of a client's volume begins with


@dataclass(frozen=True)
class Slot:
    """One key of a device: its number, how it is derived, and what that costs (MiB, passes)."""

    number: int
    derivation: str
    memory_mib: int
    passes: int


@dataclass(frozen=True)
class Tang:
    """A Tang server by its URL, and the thumbprint of a key that it signs with (RFC 7638)."""

    url: str
    thumbprint: str


@dataclass(frozen=True)
class Device:
    """An encrypted device, as its header says.

    `opened` are the names under which the kernel has it open; `in_escrow` is None where no header
    of it is kept, and False where it is another one; `under_way` is a change of its volume key,
    and one that `awaits_escrow` has ended. Of one that is `unreadable`, that says why. `client` is
    whose volume it is, by its label; `declared_slots` are how many keys are to open it, without
    those of `tang`, which Clevis gets from Tang. `system`: whether / lies there.
    """

    host: str
    path: str
    uuid: str
    opened: tuple[str, ...]
    cipher: str
    key_bits: int
    slots: tuple[Slot, ...]
    in_escrow: bool | None
    under_way: bool
    awaits_escrow: bool = False
    unreadable: str = ""
    client: str = ""
    declared_slots: int = 1
    system: bool = False
    tang: tuple[Binding, ...] = ()

    @property
    def faults(self) -> tuple[str, ...]:
        """What somebody has to do about its keys."""
        found = []
        if self.unreadable:
            return (f"its header cannot be read: {self.unreadable}",)
        if self.under_way:
            # Each of its keys is there twice meanwhile, for what is done and for what is not.
            return ("its volume key is being changed",)
        if self.awaits_escrow:
            return ("its volume key was changed, and its new header is not in escrow yet",)
        if self.in_escrow is None:
            found.append("its header is not in escrow")
        elif not self.in_escrow:
            found.append("its header is another one than in escrow")
        of_tang = {slot for one in self.tang for slot in one.slots}
        number = sum(slot.number not in of_tang for slot in self.slots)
        if number != self.declared_slots:
            found.append(f"{number} keys open it, and {self.declared_slots} should")
        return tuple(found)

    def tang_faults(self, declared: Tang | None) -> tuple[str, ...]:
        """Where Tang does not open it as is declared for its host: of the system's disk only."""
        wanted = declared if self.system else None
        found = [
            f"Tang at {one.url or 'an unknown place'} opens it, which is not declared so"
            for one in self.tang
            if wanted is None or not one.is_of(wanted.url, wanted.thumbprint)
        ]
        right = len(self.tang) - len(found)
        if wanted and right != 1 and not self.unreadable:
            found.append(f"{right} keys of Tang at {wanted.url} open it, and 1 is declared")
        return tuple(found)


@dataclass(frozen=True)
class DeviceList:
    """What was found on the hosts that were asked; `missing` says of the others why not.

    `declared` is the Tang that is to open the system's disk, by host.
    """

    devices: tuple[Device, ...]
    missing: Mapping[str, str]
    declared: Mapping[str, Tang | None] = field(default_factory=dict)

    def faults_of(self, device: Device) -> tuple[str, ...]:
        """What somebody has to do about its keys, Tang's among them."""
        return (*device.faults, *device.tang_faults(self.declared.get(device.host)))

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command."""
        if self.missing:
            return ExitCode.INCOMPLETE
        faulty = any(map(self.faults_of, self.devices))
        return ExitCode.FINDINGS if faulty else ExitCode.OK


def list_devices(
    connections: Iterable[Connection],
    declared_slots: Mapping[str, int] | None = None,
    declared_tang: Mapping[str, Tang | None] | None = None,
) -> DeviceList:
    """Ask the hosts for their encrypted devices; one that has none is no fault here.

    `declared_slots` are how many keys are to open each device, by host; without them, one.
    """
    given, missing = ask(connections, KEYS.question({"what": "status"}))
    found: list[Device] = []
    unreadable: dict[str, str] = {}
    for host, answer in given.items():
        try:
            slots = (declared_slots or {}).get(host, 1)
            found += [replace(one, declared_slots=slots) for one in read_devices(host, answer)]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            unreadable[host] = f"its encrypted disks could not be read: {printable(repr(error))}"
    return DeviceList(tuple(found), {**missing, **unreadable}, declared_tang or {})


def read_devices(host: str, answer: Mapping[str, Any]) -> list[Device]:
    """What a host's answer says; raises ValueError for a refusal, LookupError for nonsense."""
    if "refused" in answer:
        raise ValueError(answer["refused"])
    return [_device(host, one, answer["noted"]) for one in answer["devices"]]


def _device(host: str, said: Mapping[str, Any], noted: Mapping[str, str]) -> Device:
    header = said.get("header", _NO_HEADER)
    known, label = noted.get(said["uuid"]), printable(said.get("label", ""))
    segments = list(header["segments"].values())
    # Where a device is being re-encrypted, cryptsetup keeps its state in a slot of another kind.
    keys = {n: slot for n, slot in header["keyslots"].items() if slot["type"] == "luks2"}
    mandatory = header["config"].get("requirements", {}).get("mandatory", [])
    return Device(
        host=host,
        path=printable(said["path"]),
        uuid=printable(said["uuid"]),
        opened=tuple(map(printable, said["opened"])),
        cipher=printable(segments[0].get("encryption", "none") if segments else "none"),
        key_bits=max((slot["key_size"] * 8 for slot in keys.values()), default=0),
        slots=tuple(_slot(number, keys[number]["kdf"]) for number in sorted(keys, key=int)),
        in_escrow=None if known is None else known == said.get("sha256"),
        under_way=any(name.startswith("online-reencrypt") for name in mandatory),
        awaits_escrow=bool(said.get("awaits_escrow")),
        unreadable=printable(said.get("unreadable", "")),
        system=bool(said.get("system")),
        tang=tuple(replace(one, url=printable(one.url)) for one in bindings(header)),
        client=label.removeprefix(_CLIENT) if label.startswith(_CLIENT) else "",
    )


def _slot(number: str, kdf: Mapping[str, Any]) -> Slot:
    return Slot(
        int(number), printable(kdf["type"]), kdf.get("memory", 0) // 1024, kdf.get("time", 0)
    )
