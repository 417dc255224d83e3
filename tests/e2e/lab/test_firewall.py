"""The firewall on a kernel of its own: its log, and the moments around a start."""

import json
from collections.abc import Iterator

import pytest
from labs import Lab, until, virtual_host

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """rbx7 as a virtual machine, with the role applied."""
    with virtual_host("f-firewall", role="firewall") as made:
        yield made


def refused(lab: Lab, direction: str) -> str:
    """What the kernel's log says of what was refused since the start."""
    return lab.on("rbx7", f"sudo journalctl -k -b -q -g 'pas-infra refused {direction}: ' || :")


def test_root_connects_nowhere_undeclared_and_the_log_says_who_tried(lab: Lab) -> None:
    assert "DPT=4444" not in refused(lab, "out")
    lab.on("rbx7", "sudo timeout 3 bash -c 'exec 3<>/dev/tcp/198.18.0.1/4444' 2> /dev/null || :")
    line = next(line for line in refused(lab, "out").splitlines() if "DPT=4444" in line)
    assert "DST=198.18.0.1 " in line
    assert "PROTO=TCP" in line
    assert "UID=0" in line


def test_the_log_cannot_be_flooded_and_every_refusal_is_counted(lab: Lab) -> None:
    lab.on(
        "rbx7",
        "sudo python3 -c '"
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\n"
        "for port in range(2000, 4000):\n"
        '    try: s.sendto(b"x", ("198.18.0.1", port))\n'
        "    except PermissionError: pass'",
    )
    counter = json.loads(lab.on("rbx7", "sudo nft --json list counter inet pas_infra refused_out"))
    counted = next(e["counter"]["packets"] for e in counter["nftables"] if "counter" in e)
    assert counted >= 2000
    assert 1 <= refused(lab, "out").count("PROTO=UDP") < 200


def test_rules_are_there_before_the_network_at_a_start(lab: Lab) -> None:
    rules = lab.on("rbx7", "sudo nft --stateless list ruleset")
    boot = lab.on("rbx7", "cat /proc/sys/kernel/random/boot_id")
    lab.do("ssh", "rbx7", "sudo systemctl reboot", code=None)

    def booted() -> bool:
        said = lab.do("ssh", "rbx7", "cat /proc/sys/kernel/random/boot_id", code=None)
        return said.code == 0 and said.stdout != boot

    until(booted, 600, "rbx7 is back after its restart")
    assert lab.on("rbx7", "sudo nft --stateless list ruleset") == rules
    moments = [
        int(lab.on("rbx7", f"systemctl show -P {moment}TimestampMonotonic {unit}"))
        for moment, unit in (
            ("ActiveEnter", "nftables.service"),
            ("ActiveEnter", "network-pre.target"),
            ("InactiveExit", "systemd-networkd.service"),
            ("ActiveEnter", "network.target"),
        )
    ]
    assert moments == sorted(moments), "the rules came after the network"
    assert moments[0] > 0
