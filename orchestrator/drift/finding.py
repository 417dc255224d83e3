"""A finding of drift: one object of one host that is not as it was declared."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum

_IDENTITY_LENGTH = 12  # hexadecimal digits: short enough to type, long enough never to meet again


class FindingKind(StrEnum):
    """How an object differs from what is declared."""

    MISSING = "missing"  # declared, and not there
    CHANGED = "changed"  # declared, and different
    UNMANAGED = "unmanaged"  # there, and declared by nobody


class Severity(IntEnum):
    """How much a finding matters; they compare, the worst is the greatest."""

    LOW = 1  # of no measure
    MEDIUM = 2  # a measure is touched
    HIGH = 3  # a measure is shown not to be kept, or somebody may have got in


class Eye(StrEnum):
    """What saw it: the roles in check mode, the checks of `verify`, the collector."""

    ROLES = "roles"
    CHECKS = "checks"
    COLLECTOR = "collector"


@dataclass(frozen=True)
class Finding:
    """One deviation of one host, free of secrets.

    `object_kind` and `name` say what of: `file` and `/etc/issue`, `sysctl` and
    `kernel.kptr_restrict`, `account` and `eve`. `seen` is a unified diff from what is there to what
    is declared, or a sentence. `role` is the one that would put it right, "" where none does.
    `checks` are those of `verify` that fail for the same reason.
    """

    kind: FindingKind
    host: str
    object_kind: str
    name: str
    eye: Eye
    severity: Severity
    measures: tuple[str, ...] = ()
    seen: str = ""
    role: str = ""
    checks: tuple[str, ...] = ()

    @property
    def object(self) -> str:
        """The object as people read it: `file /etc/issue`."""
        return f"{self.object_kind} {self.name}"

    @property
    def identity(self) -> str:
        """The same for the same deviation on every night, whatever else is said of it."""
        told = "\0".join((self.kind, self.host, self.object_kind, self.name))
        return hashlib.sha256(told.encode()).hexdigest()[:_IDENTITY_LENGTH]
