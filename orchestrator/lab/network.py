"""A lab's networks: bridges in a network namespace of its own, and an uplink in user space.

Nothing changes in the control node's own network: the uplink is slirp4netns, which speaks for the
namespace with the ordinary rights of a process.
"""

import os
import time
from collections.abc import Iterable

from orchestrator.environment import Network
from orchestrator.errors import PasInfraError
from orchestrator.lab.commands import run, start, succeeds
from orchestrator.lab.layout import NAMESPACES, LabLayout

UPLINK = "uplink"
RESOLVER = "10.0.2.3"  # slirp4netns answers there with the control node's resolver

_MASQUERADE = f"""
table ip lab
delete table ip lab
table ip lab {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "{UPLINK}" masquerade
  }}
}}
"""


def bring_up(layout: LabLayout, networks: Iterable[Network]) -> None:
    """Make the namespace, its bridges and its uplink; what stands already is left alone."""
    namespace = layout.namespace
    place = NAMESPACES / namespace
    if place.exists() and not os.path.ismount(place):
        # The name without the namespace: what a reboot, or a crash while it was made, leaves.
        take_down(layout)
    if not place.exists():
        run(["ip", "netns", "add", namespace], privileged=True)
    inside = ["ip", "netns", "exec", namespace]
    run(["ip", "-n", namespace, "link", "set", "lo", "up"], privileged=True)
    for network in networks:
        _bring_up_bridge(namespace, network)
    forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
    run([*inside, "sh", "-c", forward], privileged=True)
    run([*inside, "nft", "-f", "-"], privileged=True, stdin=_MASQUERADE)
    _bring_up_uplink(layout)


def take_down(layout: LabLayout) -> None:
    """Remove the namespace; its bridges, rules and the machines' links go with it."""
    if (NAMESPACES / layout.namespace).exists():
        run(["ip", "netns", "delete", layout.namespace], privileged=True)


def _bring_up_bridge(namespace: str, network: Network) -> None:
    bridge = network.name
    if not succeeds(["ip", "-n", namespace, "link", "show", bridge], privileged=True):
        run(["ip", "-n", namespace, "link", "add", bridge, "type", "bridge"], privileged=True)
    for subnet in (network.ipv4, network.ipv6):
        gateway = f"{next(iter(subnet.hosts()))}/{subnet.prefixlen}"
        # Without nodad the IPv6 gateway is tentative for its first second.
        options = ["nodad"] if subnet.version == 6 else []
        run(
            ["ip", "-n", namespace, "addr", "replace", gateway, "dev", bridge, *options],
            privileged=True,
        )
    run(["ip", "-n", namespace, "link", "set", bridge, "up"], privileged=True)


def _bring_up_uplink(layout: LabLayout) -> None:
    namespace = layout.namespace
    if succeeds(["ip", "-n", namespace, "link", "show", UPLINK], privileged=True):
        return
    start(
        [
            "slirp4netns",
            "--configure",
            "--mtu=65520",
            "--disable-host-loopback",
            "--netns-type=path",
            str(NAMESPACES / namespace),
            UPLINK,
        ],
        log=layout.directory / "uplink.log",
    )
    deadline = time.monotonic() + 10
    while not succeeds(["ip", "-n", namespace, "route", "get", RESOLVER], privileged=True):
        if time.monotonic() > deadline:
            said = (layout.directory / "uplink.log").read_text().strip()[-300:]
            raise PasInfraError(
                f"the lab's uplink did not come up; slirp4netns says: {said or 'nothing'}",
                where=layout.directory / "uplink.log",
                next_step="run `pas-infra doctor`; slirp4netns needs /dev/net/tun",
            )
        time.sleep(0.05)
