"""Restarts, as far as they can be judged without a host: order, refusals, and what is not back."""

from collections.abc import Callable

import pytest

from orchestrator.engine import Connection
from orchestrator.reboot import Ask, Reboot, reboot, waiting

Answer = Callable[[str], tuple[int, str]]


class Hosts:
    """Hosts that answer scripts; each that is restarted comes back with another boot id."""

    def __init__(self, **waits: str) -> None:
        self.waits = waits
        self.restarted: list[str] = []
        self.obstacles: dict[str, str] = {}
        self.disks: dict[str, str] = {}
        self.lost: set[str] = set()
        self.failed_after: dict[str, str] = {}

    def connections(self) -> list[Connection]:
        return [Connection(host, "198.18.0.1", 22, "ops", "") for host in self.waits]

    def ask(self, connection: Connection, script: str) -> tuple[int, str]:
        host = connection.host
        if "reboot-required" in script:
            return 0, self.waits[host]
        if "dpkg --audit" in script:
            return 0, self.obstacles.get(host, "")
        if "lsblk" in script:
            return 0, self.disks.get(host, "disk\n")
        if script == "systemctl reboot":
            self.restarted.append(host)
            return 255, ""
        if host in self.restarted and host in self.lost:
            return 255, ""
        boot = f"boot-{self.restarted.count(host)}"
        failed = self.failed_after.get(host, "") if host in self.restarted else ""
        return 0, f"{boot}\nrunning\n{failed}"

    def reboot(self, **options: float) -> list[Reboot]:
        ask: Ask = self.ask
        return reboot(self.connections(), lambda _: None, ask=ask, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.reboot._BETWEEN", 0.0)


def test_only_hosts_that_wait_are_named_with_their_reasons() -> None:
    hosts = Hosts(rbx7="linux-image\npas-infra: kernel command line: pti=on\n", sysfab="")
    assert waiting(hosts.connections(), hosts.ask) == [
        Reboot("rbx7", ("linux-image", "pas-infra: kernel command line: pti=on"))
    ]


def test_the_bastion_goes_last() -> None:
    hosts = Hosts(bastion="x", rbx7="x", sysfab="x")
    assert all(each.is_back for each in hosts.reboot())
    assert hosts.restarted == ["rbx7", "sysfab", "bastion"]


@pytest.mark.parametrize("obstacle", ["the host is starting", "packages are half installed"])
def test_a_host_that_is_not_ready_is_left_and_the_others_go_on(obstacle: str) -> None:
    hosts = Hosts(rbx7="x", sysfab="x")
    hosts.obstacles["rbx7"] = obstacle
    first, second = hosts.reboot()
    assert first.fault == f"not restarted: {obstacle}"
    assert second.is_back
    assert hosts.restarted == ["sysfab"]


def test_an_encrypted_host_is_not_restarted_without_a_proof() -> None:
    hosts = Hosts(rbx7="x")
    hosts.disks["rbx7"] = "lvm\ncrypt\npart\ndisk\n"
    (one,) = hosts.reboot()
    assert "encrypted" in one.fault
    assert hosts.restarted == []


def test_a_host_that_is_not_back_ends_it() -> None:
    hosts = Hosts(rbx7="x", sysfab="x")
    hosts.lost.add("rbx7")
    first, second = hosts.reboot(back_within=0.2)
    assert "is not back after" in first.fault
    assert second.fault == "left alone: rbx7 is not back"
    assert hosts.restarted == ["rbx7"]


def test_a_unit_that_does_not_start_again_is_a_fault() -> None:
    hosts = Hosts(rbx7="x")
    hosts.failed_after["rbx7"] = "nftables.service"
    (one,) = hosts.reboot()
    assert one.fault == "is back, but without nftables.service"
