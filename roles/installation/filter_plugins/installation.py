"""From what lsblk lists to the disks that are declared, each with what it holds."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface
from typing import Any

from ansible.errors import AnsibleFilterError

# What we call our partitions, and what they are called until an installation has ended.
OURS = "pas-infra "
UNFINISHED = f"{OURS}unfinished"
_GB = 10**9
# A size is declared as it is sold: by the rounded number of GB.
_TOLERANCE = 0.02
# What the running system cannot do without.
_IN_USE = {"/", "/boot", "/usr", "[SWAP]"}

Node = dict[str, Any]


def chosen(
    listed: Node, declared: list[dict[str, Any]], *, wipe: bool = False
) -> list[dict[str, Any]]:
    """The declared disks in their order: path, size in bytes, and a text that describes each.

    `holds` says in words what would be lost, `unfinished` that it is an installation of ours that
    was cut short, `resumes` that all of them are, so that it can be gone on with unless `wipe` is
    asked for, and `in_use` that the running system needs the disk. Raises AnsibleFilterError for a
    disk that is not there or cannot be told from another.
    """
    disks = [node for node in listed["blockdevices"] if node["type"] == "disk"]
    if not declared:
        raise AnsibleFilterError(
            f"installation_disks declares no disk. There are: {_overview(disks)}"
        )
    found = [disk for one in declared for disk in _matching(one, declared, disks)]
    if len({disk["path"] for disk in found}) < len(found):
        raise AnsibleFilterError("installation_disks names a disk twice")
    # The last step may have been cut between two names.
    labels = [_labels(disk) for disk in found]
    unfinished = all(_are_ours(each) for each in labels) and any(_is_unfinished(x) for x in labels)
    return [_described(disk, unfinished=unfinished, wipe=wipe) for disk in found]


def _matching(one: dict[str, Any], declared: list[dict[str, Any]], disks: list[Node]) -> list[Node]:
    if "serial" in one:
        wanted = f"the serial number {one['serial']}"
        # virtio cuts serial numbers off, so only the whole one counts.
        found = [disk for disk in disks if disk["serial"] == str(one["serial"])]
        needed = 1
    elif "size_gb" in one:
        wanted = f"{one['size_gb']} GB"
        found = [
            disk
            for disk in disks
            if abs(disk["size"] - one["size_gb"] * _GB) <= one["size_gb"] * _GB * _TOLERANCE
        ]
        same = [each for each in declared if each.get("size_gb") == one["size_gb"]]
        needed = len(same)
        if same[0] is not one:
            return []  # the first entry of a size takes all of them
    else:
        raise AnsibleFilterError(f"installation_disks: {one} has neither serial nor size_gb")
    if len(found) != needed:
        raise AnsibleFilterError(
            f"installation_disks asks for {needed} disk{'s' if needed > 1 else ''} with {wanted}, "
            f"and there {'is' if len(found) == 1 else 'are'} {len(found)}. "
            f"There are: {_overview(disks)}"
        )
    return found


def _labels(disk: Node) -> list[str]:
    return [node["partlabel"] or "" for node in disk.get("children", ())]


def _are_ours(labels: list[str]) -> bool:
    return bool(labels) and all(label.startswith(OURS) for label in labels)


def _is_unfinished(labels: list[str]) -> bool:
    return _are_ours(labels) and any(label.startswith(UNFINISHED) for label in labels)


def _described(disk: Node, *, unfinished: bool, wipe: bool) -> dict[str, Any]:
    nodes = list(_below(disk))
    resumes = unfinished and not wipe
    unfinished = unfinished or _is_unfinished(_labels(disk))
    holds = [text for node in nodes if (text := _content(node))]
    then = "gone on with" if resumes else "started anew"
    what = f"an unfinished installation, to be {then}" if unfinished else ", ".join(holds)
    return {
        "path": disk["path"],
        "size": disk["size"],
        "unfinished": unfinished,
        "resumes": resumes,
        "holds": holds,
        "in_use": any(_IN_USE & set(node["mountpoints"]) for node in nodes),
        "text": f"{_name(disk)}: {what or 'empty'}",
    }


def _content(node: Node) -> str:
    mounted = [place for place in node["mountpoints"] if place]
    kind = node["fstype"] or (node["pttype"] if node["type"] == "disk" else "")
    if not (kind or mounted):
        return ""
    where = f" mounted at {' and '.join(mounted)}" if mounted else ""
    return f"{kind or node['type']} on {node['name']}{where}"


def _below(node: Node) -> Iterator[Node]:
    yield node
    for child in node.get("children", ()):
        yield from _below(child)


def _name(disk: Node) -> str:
    model = f" {disk['model'].strip()}" if disk["model"] else ""
    serial = disk["serial"] or "none"
    return f"{disk['path']}{model}, {disk['size'] / _GB:.0f} GB, serial number {serial}"


def _overview(disks: list[Node]) -> str:
    return "; ".join(_name(disk) for disk in disks) or "none"


def reaches_its_gateway(interface: dict[str, Any]) -> bool:
    """Whether the gateway of Ansible's `default_ipv4` lies in the network of its address."""
    network = ip_interface(f"{interface['address']}/{interface['prefix']}").network
    return ip_address(interface["gateway"]) in network


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            "installation_chosen": chosen,
            "installation_reaches_its_gateway": reaches_its_gateway,
        }
