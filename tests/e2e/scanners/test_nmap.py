"""What answers on the servers, to somebody who tries every port of them from outside."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.scanners.outside import Outsider

pytestmark = pytest.mark.full

TARGETS = ("198.18.0.11", "2001:2::11", "198.18.0.12", "2001:2::12")
# Nobody's address: no flow names it. Of the outsider's own, one does, for ssh-audit.
STRANGER = {4: "198.18.0.99", 6: "2001:2::99"}
# UDP has no handshake: only what answers by itself, or by an ICMP error, can be told from nothing.
ALL_TCP = "-sS -p- --min-rate 3000 --max-retries 2"
COMMON_UDP = "-sU --top-ports 200 --min-rate 300 --max-retries 1"


def nmap(outsider: Outsider, target: str, options: str) -> set[str]:
    """What answers, as `22/open`, or is closed, which is an answer too."""
    version = "-6" if ":" in target else ""
    code, said = outsider.run(f"sudo nmap {version} -n -Pn {options} -oG - {target}")
    assert code == 0, said
    assert "1 IP address (1 host up) scanned" in said, said
    return set(re.findall(r"(\d+/(?:open|closed))/", said))


def test_only_declared_ports_answer(outsider: Outsider) -> None:
    """All 65,535 ports of TCP and the common ones of UDP, both versions of IP, both servers."""
    tried = [(target, options) for options in (ALL_TCP, COMMON_UDP) for target in TARGETS]
    # They wait for answers that do not come: side by side they take hardly longer.
    with ThreadPoolExecutor(len(tried)) as pool:
        found = list(pool.map(lambda one: nmap(outsider, *one), tried))
    wanted = {ALL_TCP: {"22/open"}, COMMON_UDP: set()}
    assert dict(zip(tried, found, strict=True)) == {one: wanted[one[1]] for one in tried}


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_answers_a_stranger(outsider: Outsider, target: str) -> None:
    version = 6 if ":" in target else 4
    address, length = STRANGER[version], {4: 24, 6: 64}[version]
    # The scanner would be seen to work at its own address: the same port answers there.
    assert nmap(outsider, target, "-sS -p 22,80") == {"22/open"}
    interface = "$(ip -o route get 198.18.0.1 | sed 's/.* dev \\([^ ]*\\) .*/\\1/')"
    # Deprecated: nothing chooses it by itself. Without nodad, IPv6 holds it back for a second.
    options = f"dev {interface} preferred_lft 0 {'nodad' if version == 6 else ''}"
    code, said = outsider.run(
        f"sudo ip address replace {address}/{length} {options} && echo {interface}"
    )
    assert code == 0, said
    assert nmap(outsider, target, f"-S {address} -e {said.strip()} -sS -p 22,80") == set()


def test_the_servers_reach_each_other_for_backups_only(outsider: Outsider) -> None:
    """sysfab comes to sshd for the backups; all else is refused, both ways, and counted."""
    for one, other, port, ended in (
        ("rbx7", "198.18.0.12", 22, 124),
        ("sysfab", "198.18.0.11", 80, 124),
        ("sysfab", "198.18.0.11", 22, 0),
    ):
        code, said = outsider.pas_infra(
            "lab", "ssh", "--name", "f-scanners", one,
            f"sudo timeout 3 bash -c 'exec 3<>/dev/tcp/{other}/{port}'; echo $?;"
            " sudo nft list counter inet pas_infra refused_out",
        )  # fmt: skip
        assert code == 0, said
        assert said.startswith(f"{ended}\n"), said
        assert int(re.search(r"packets (\d+)", said)[1]) > 0  # type: ignore[index]
