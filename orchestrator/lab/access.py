"""How a lab's machines are reached: keys that the lab made, host keys that are checked."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from orchestrator.environment import Machine
from orchestrator.lab.commands import find_tool, privilege_prefix, run
from orchestrator.lab.layout import LabLayout

OPERATOR = "ops"  # the account that every machine of the lab is delivered with

_HOST = """\
Host {name} {ipv4} {ipv6}
  HostName {ipv4}
  HostKeyAlias {name}
"""

_EVERY_HOST = """\
Host *
  User {operator}
  IdentityFile {identity}
  IdentitiesOnly yes
  UserKnownHostsFile {known_hosts} {installed}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  ProxyCommand {proxy} netns exec {namespace} {socat} - TCP:%h:%p
"""


def make_access(layout: LabLayout, machines: Iterable[Machine]) -> None:
    """Make the operator's key, every machine's host keys, `known_hosts` and `ssh_config`."""
    machines = list(machines)
    if not layout.identity.exists():
        _make_key(layout.identity, "ed25519", f"{OPERATOR}@lab-{layout.name}")
    for machine in machines:
        _make_host_keys(layout.machine(machine.name) / "host_keys", machine.name)
    _replace(
        layout.known_hosts,
        "".join(
            f"{names_of(machine)} {key.read_text()}"
            for machine in machines
            for key in public_host_keys(layout, machine.name)
        ),
    )
    _replace(layout.ssh_config, ssh_config(layout, machines))


def ssh_config(layout: LabLayout, machines: Iterable[Machine]) -> str:
    """The OpenSSH client configuration of the lab."""
    hosts = "\n".join(
        _HOST.format(name=machine.name, ipv4=machine.ipv4, ipv6=machine.ipv6)
        for machine in machines
    )
    common = _EVERY_HOST.format(
        operator=OPERATOR,
        identity=layout.identity,
        known_hosts=layout.known_hosts,
        installed=layout.installed_known_hosts,
        namespace=layout.namespace,
        proxy=" ".join([*privilege_prefix(), find_tool("ip") or "ip"]),
        socat=find_tool("socat") or "socat",
    )
    return f"{hosts}\n{common}"


def names_of(machine: Machine) -> str:
    """The names under which the machine's host keys are known: its rescue system has its own."""
    return f"{machine.name},{machine.name}.rescue" if machine.disks else machine.name


def public_host_keys(layout: LabLayout, machine: str) -> list[Path]:
    """The machine's public host keys."""
    return sorted((layout.machine(machine) / "host_keys").glob("ssh_host_*_key.pub"))


def _replace(path: Path, content: str) -> None:
    """Never half written: other commands read it while this one runs."""
    if path.exists() and path.read_text() == content:
        return
    making = path.with_name(f"{path.name}.making")
    making.write_text(content)
    making.replace(path)


def _make_host_keys(directory: Path, machine: str) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for kind in ("ed25519", "rsa"):
        path = directory / f"ssh_host_{kind}_key"
        if not path.exists():
            _make_key(path, kind, f"root@{machine}")


def _make_key(path: Path, kind: str, comment: str) -> None:
    size = ["-b", "3072"] if kind == "rsa" else []
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        making = Path(place) / "key"
        run(["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-C", comment, "-f", making])
        # The private key last: where it stands, both do.
        making.with_suffix(".pub").replace(f"{path}.pub")
        making.replace(path)
