"""What a host is made of, and how it is read from what the host says or the store has kept.

A field that is added later needs a default: what was kept before does not have it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from orchestrator.engine import printable

T = TypeVar("T")

# What a package's origin says besides an archive's name; the programs on hosts write the same.
NO_ARCHIVE = "no archive"
UNKNOWN_ARCHIVE = "unknown"
ANOTHER_VERSION = ", another version"

_SHA256 = re.compile(r"[0-9a-f]{64}|unreadable")
_MOST = 2**63  # more is no count and no size, and cannot be reckoned with as a float


@dataclass(frozen=True)
class Machine:
    """A computer as its firmware names it; all but the first two are empty for a container.

    `virtualization` names what it runs in, "" for one of metal; `memory_gib` is rounded.
    """

    container: bool
    virtualization: str
    vendor: str = ""
    product: str = ""
    version: str = ""
    serial: str = ""
    uuid: str = ""
    board: str = ""
    board_serial: str = ""
    firmware: str = ""
    firmware_date: str = ""
    processor: str = ""
    processors: int = 0
    memory_gib: int = 0

    @property
    def model(self) -> str:
        """Vendor and product in one line, or what it is instead of a machine of its own."""
        if self.container:
            return f"container ({self.virtualization})"
        named = " ".join(filter(None, (self.vendor, self.product, self.version)))
        return named or "it does not say"


@dataclass(frozen=True)
class System:
    """What runs a machine; `kernel` is its release, "" in a container, which has none of its own.

    `release` is the code name, as `trixie`, `architecture` Debian's name of it.
    """

    hostname: str
    system: str
    release: str
    architecture: str
    kernel: str


@dataclass(frozen=True)
class Interface:
    """A network interface; `addresses` with the lengths of their prefixes, link-local ones apart.

    `physical` is one of a device, `part_of` names a bond or bridge that it belongs to, `made_on`
    the one that it stands on, as a VLAN's.
    """

    name: str
    kind: str
    physical: bool
    driver: str
    mac: str
    up: bool
    part_of: str
    made_on: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Disk:
    """A disk; `name` is the kernel's and may be another after a start, `bytes` its size."""

    name: str
    model: str
    serial: str
    wwn: str
    bytes: int
    firmware: str
    transport: str
    removable: bool

    @property
    def identity(self) -> str:
        """What tells it from others, as well as it says: its serial number, or the like."""
        return self.serial or self.wwn or self.name


@dataclass(frozen=True)
class Package:
    """An installed package; `origin` names the archive that has it, `manual` that it was asked for.

    A former version is `Debian, another version`; `no archive` is a package of which none has any.
    """

    name: str
    version: str
    architecture: str
    origin: str
    manual: bool

    @property
    def identity(self) -> str:
        """The name by which dpkg tells it from others."""
        return f"{self.name}:{self.architecture}"


@dataclass(frozen=True)
class Program:
    """An executable file or library of no package; `sha256` is `unreadable` where it went away."""

    path: str
    sha256: str

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"no SHA-256: {self.sha256[:80]!r}")


@dataclass(frozen=True)
class Equipment:
    """One host: what the environment declares it is for and where, and what it is made of.

    `blind` says of each part that could not be looked at why; its content is empty then.
    """

    host: str
    function: str
    supplier: str
    city: str
    country: str
    system: System | None = None
    machine: Machine | None = None
    interfaces: tuple[Interface, ...] = ()
    disks: tuple[Disk, ...] = ()
    packages: tuple[Package, ...] = ()
    programs: tuple[Program, ...] = ()
    blind: Mapping[str, str] = field(default_factory=dict)

    @property
    def origins(self) -> dict[str, int]:
        """How many packages come from each archive, most first."""
        counted: dict[str, int] = {}
        for package in self.packages:
            counted[package.origin] = counted.get(package.origin, 0) + 1
        return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


def numbered(things: Iterable[T], identity: str) -> dict[str, T]:
    """Things by what identifies them; a further one of the same is `S64 (2)`, and not left out."""
    found: dict[str, T] = {}
    seen: Counter[str] = Counter()
    for one in things:
        known = getattr(one, identity)
        seen[known] += 1
        name = known if seen[known] == 1 else f"{known} ({seen[known]})"
        while name in found:
            seen[known] += 1
            name = f"{known} ({seen[known]})"
        found[name] = one
    return found


def read_as(kind: type[T], data: Any) -> T:
    """Data of JSON as one of the above; raises ValueError for anything else.

    Whoever is root on a host may have written it: nothing of it speaks to a terminal.
    """
    read: T = _read(kind, data)
    return read


def _read(kind: Any, data: Any) -> Any:
    if get_origin(kind) is UnionType:  # of a class and None
        return None if data is None else _read(get_args(kind)[0], data)
    if get_origin(kind) is tuple and isinstance(data, list):
        return tuple(_read(get_args(kind)[0], each) for each in data)
    if get_origin(kind) is Mapping and isinstance(data, dict):
        return {printable(str(key)): _read(str, value) for key, value in data.items()}
    if kind is str and isinstance(data, str):
        return printable(data)
    if kind is bool and type(data) is bool:
        return data
    if kind is int and type(data) is int and 0 <= data < _MOST:
        return data
    if is_dataclass(kind) and isinstance(data, dict):
        return _built(kind, data)
    raise ValueError(f"not what a host says of itself: {data!r}"[:200])


def _built(kind: Any, data: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    unknown = data.keys() - {one.name for one in fields(kind)}
    if unknown:
        raise ValueError(f"nobody knows of {printable(min(unknown))[:40]}")
    try:
        return kind(**{name: _read(hints[name], value) for name, value in data.items()})
    except TypeError as error:  # something is missing
        raise ValueError(str(error)) from error
