"""What kinds of objects a host has, why each matters, and what its deviation says."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.drift.finding import Severity


@dataclass(frozen=True)
class Kind:
    """Objects of one section of what the collector gives.

    `called` is how a finding names them; `measures` are those that a deviation touches; `appears`
    is how bad one is that nobody declared, `differs` one that is changed or gone. Of one that
    `comes_and_goes` only a change is a deviation; to have become `good` is none.
    """

    called: str
    measures: tuple[str, ...]
    appears: Severity = Severity.MEDIUM
    differs: Severity = Severity.MEDIUM
    comes_and_goes: bool = False
    good: tuple[str, str] = ("", "")


_IN = Severity.HIGH  # somebody may have let himself in

KINDS: Mapping[str, Kind] = {
    "account": Kind("account", ("5.2.1", "5.3.1"), _IN, _IN),
    "group": Kind("group", ("5.3.1",), differs=_IN),
    "sudo": Kind("sudo", ("5.3.1",), _IN, _IN),
    "authorized-key": Kind("authorized-key", ("5.3.1", "5.5.1"), _IN, _IN),
    "listener": Kind("listener", ("1.1.1", "5.7.2"), _IN),
    "unit": Kind("unit", ("1.1.1",), _IN, good=("state", "up")),
    "suid": Kind("suid", ("1.1.1", "5.3.1"), _IN, _IN),
    "capability": Kind("capability", ("1.1.1", "5.3.1"), _IN, _IN),
    "package": Kind("package", ("1.1.1", "4.1.2")),
    "program": Kind("file", ("1.1.1", "7.4.1"), _IN, _IN),
    "file": Kind("file", ("1.1.1",)),
    "authority": Kind("authority", ("6.2.1",), _IN),
    "certificate": Kind("certificate", ("6.2.1",)),
    "kernel": Kind("kernel", ("1.1.1",), _IN, _IN),
    "module": Kind("module", ("1.1.1",)),
    "sysctl": Kind("sysctl", ("1.1.1",), comes_and_goes=True),
    "mount": Kind("mount", ("1.1.1", "6.1.1")),
    "disk": Kind("disk", ("4.1.1", "6.1.1")),
    "array": Kind("array", ("11.2.1",), good=("missing", "0")),
    "nftables": Kind("nftables", ("5.7.2",), _IN, _IN),
    "address": Kind("address", ("5.7.2",)),
    "route": Kind("route", ("5.7.2",)),
    "tunnel": Kind("tunnel", ("5.7.2", "6.2.1"), _IN),
    "clock": Kind("clock", ("8.1.1",), good=("from its sources", "within 1 s")),
}
