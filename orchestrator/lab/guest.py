"""What is a virtual machine's own, handed to it at boot as systemd credentials.

Credentials reach the guest through QEMU's firmware device: nothing is mounted, no disk is opened on
the control node, and the private keys are read from files, never from a command line. systemd reads
them at every boot; what it makes of them on the disk it makes once, so that a role's change lasts.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.environment import Machine, Network
from orchestrator.lab.access import OPERATOR
from orchestrator.lab.layout import LabLayout

_NETWORK_UNIT = """\
[Match]
{match}
[Network]
Address={ipv4}/{ipv4_prefix}
Address={ipv6}/{ipv6_prefix}
Gateway={gateway}
LinkLocalAddressing=ipv6
IPv6AcceptRA=no
"""

_HOSTS = "127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n"


@dataclass(frozen=True)
class GuestFile:
    """A file that the guest finds at its first boot; `mode` is octal, as chmod takes it."""

    path: str
    mode: str
    owner: str
    content: str


def mac_address(machine: str) -> str:
    """The machine's locally administered address: the same in every lab, of its own in each."""
    digest = hashlib.sha256(machine.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def by_address(machine: Machine) -> str:
    """How the unit of a virtual machine tells its interface, whose name depends on the bus."""
    # Not the bridges and VLANs that a role may put on top of it: they inherit the address.
    return f"MACAddress={mac_address(machine.name)}\nKind=!*"


def network_unit(match: str, machine: Machine, network: Network) -> str:
    """The systemd-networkd unit of the machine's one interface, the one that `match` tells."""
    return _NETWORK_UNIT.format(
        match=match,
        ipv4=machine.ipv4,
        ipv4_prefix=network.ipv4.prefixlen,
        ipv6=machine.ipv6,
        ipv6_prefix=network.ipv6.prefixlen,
        gateway=next(iter(network.ipv4.hosts())),
    )


def guest_files(machine: str, operator_key: str, host_keys: Mapping[str, str]) -> list[GuestFile]:
    """The files that make a disk this machine's; `host_keys` maps file names to contents."""
    return [
        GuestFile("/etc/hostname", "0644", "root", f"{machine}\n"),
        GuestFile("/etc/hosts", "0644", "root", _HOSTS.format(name=machine)),
        GuestFile(f"/home/{OPERATOR}/.ssh/authorized_keys", "0600", OPERATOR, operator_key),
        *(
            GuestFile(f"/etc/ssh/{name}", "0644" if name.endswith(".pub") else "0600", "root", key)
            for name, key in host_keys.items()
        ),
    ]


def tmpfiles_lines(files: list[GuestFile]) -> str:
    """The tmpfiles.d lines that make the files; the colons leave an existing one as it is."""
    return "".join(
        f"f~ {file.path} :{file.mode} :{file.owner} :{file.owner} - "
        f"{base64.b64encode(file.content.encode()).decode()}\n"
        for file in files
    )


def host_keys(directory: Path) -> dict[str, str]:
    """The host keys in a directory, private and public, by file name."""
    return {path.name: path.read_text() for path in sorted(directory.glob("ssh_host_*"))}


def write_credentials(layout: LabLayout, machine: Machine, network: Network) -> list[str]:
    """Write the machine's credentials and return QEMU's options that hand them in.

    Their paths are relative to the machine's directory.
    """
    directory = layout.machine(machine.name)
    files = guest_files(
        machine.name,
        Path(f"{layout.identity}.pub").read_text(),
        host_keys(directory / "host_keys"),
    )
    credentials = {
        # The network's unit anew at every boot: it is ordered before networkd, tmpfiles is not.
        "network.network.10-lab": network_unit(by_address(machine), machine, network),
        # The name for the first boot: systemd sets it before tmpfiles has written the file.
        "system.hostname": machine.name,
        "tmpfiles.extra": tmpfiles_lines(files),
    }
    place = directory / "credentials"
    place.mkdir(mode=0o700, exist_ok=True)
    options: list[str] = []
    for name, content in credentials.items():
        (place / name).write_text(content)
        options += ["-fw_cfg", f"name=opt/io.systemd.credentials/{name},file=credentials/{name}"]
    return options
