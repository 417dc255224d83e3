"""What of the lab can be judged without starting one: names, selection, access, tools."""

import re
import subprocess
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from orchestrator.environment import Lab, Machine, Network
from orchestrator.errors import PasInfraError
from orchestrator.lab import LabLayout, lab_layout, lab_tools, missing_tools, select_machines
from orchestrator.lab.access import make_access, public_host_keys, ssh_config
from orchestrator.lab.commands import PACKAGE_OF, require_tools, run


def machine(name: str, number: int) -> Machine:
    return Machine(
        name,
        managed=True,
        backend="nspawn",
        image="server",
        ipv4=IPv4Address(f"198.18.0.{number}"),
        ipv6=IPv6Address(f"2001:2::{number}"),
        memory_mb=512,
        cpus=1,
    )


LAB = Lab(
    (Network("wan", IPv4Network("198.18.0.0/24"), IPv6Network("2001:2::/64")),),
    (machine("rbx7", 11), machine("sysfab", 12)),
)


@pytest.mark.parametrize("name", ["default", "a", "0", "ci-2", "x" * 40])
def test_a_lab_has_a_directory_and_a_namespace_of_its_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    layout = lab_layout(name)
    assert layout.directory == tmp_path / "pas-infra/labs" / name
    assert re.fullmatch(rf"pas-{name}-[0-9a-f]{{8}}", layout.namespace)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another-user"))
    assert lab_layout(name).namespace != layout.namespace
    for path in (layout.ssh_config, layout.known_hosts, layout.identity, layout.machine("rbx7")):
        assert path.is_relative_to(layout.directory)


@pytest.mark.parametrize(
    "name", ["", "-a", "A", "a_b", "a.b", "..", "a/b", "a b", "é", "a\n", "x" * 41]
)
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(PasInfraError, match="cannot name a lab") as caught:
        lab_layout(name)
    assert "hyphens" in str(caught.value.next_step)


def test_a_lab_that_was_never_started_is_not_up(tmp_path: Path) -> None:
    assert not LabLayout("unit", tmp_path).is_up


@pytest.mark.parametrize(
    ("names", "backend", "chosen"),
    [
        ((), None, [("rbx7", "nspawn"), ("sysfab", "nspawn")]),
        (("sysfab",), None, [("sysfab", "nspawn")]),
        (("sysfab", "rbx7"), None, [("sysfab", "nspawn"), ("rbx7", "nspawn")]),
        ((), "qemu", [("rbx7", "qemu"), ("sysfab", "qemu")]),
        (("rbx7",), "qemu", [("rbx7", "qemu")]),
    ],
)
def test_selection(names: tuple[str, ...], backend: None, chosen: list[tuple[str, str]]) -> None:
    found = select_machines(LAB, names, backend=backend)
    assert [(machine.name, machine.backend) for machine in found] == chosen


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(PasInfraError, match="no machine `rbx8`") as caught:
        select_machines(LAB, ["rbx7", "rbx8"])
    assert caught.value.next_step == "name one of: rbx7, sysfab"


def effective(config: Path, host: str) -> dict[str, str]:
    """What ssh itself makes of the configuration."""
    shown = subprocess.run(
        ["ssh", "-G", "-F", config, host], capture_output=True, check=True, text=True
    ).stdout
    return dict(line.partition(" ")[::2] for line in shown.splitlines())


@pytest.mark.parametrize("host", ["rbx7", "198.18.0.11", "2001:2::11"])
def test_ssh_reaches_a_machine_by_name_and_address_inside_the_lab_only(
    tmp_path: Path, host: str
) -> None:
    layout = LabLayout("unit", tmp_path)
    layout.ssh_config.write_text(ssh_config(layout, LAB.machines))
    options = effective(layout.ssh_config, host)
    assert (options["hostname"], options["hostkeyalias"]) == ("198.18.0.11", "rbx7")
    assert options["user"] == "ops"
    assert options["stricthostkeychecking"] == "true"
    assert options["userknownhostsfile"].split() == [
        str(layout.known_hosts),
        str(layout.installed_known_hosts),
    ]
    assert options["globalknownhostsfile"] == "/dev/null"
    assert options["identityfile"] == str(layout.identity)
    assert options["identitiesonly"] == "yes"
    assert "netns exec pas-unit" in options["proxycommand"]


def test_even_an_unknown_host_is_asked_for_inside_the_lab(tmp_path: Path) -> None:
    layout = LabLayout("unit", tmp_path)
    layout.ssh_config.write_text(ssh_config(layout, LAB.machines))
    options = effective(layout.ssh_config, "example.org")
    assert "netns exec pas-unit" in options["proxycommand"]
    assert options["stricthostkeychecking"] == "true"


def test_keys_are_made_once_and_known_before_the_first_boot(tmp_path: Path) -> None:
    layout = LabLayout("unit", tmp_path)
    make_access(layout, LAB.machines[:1])
    [ed25519, rsa] = public_host_keys(layout, "rbx7")
    known = layout.known_hosts.read_text()
    assert known == f"rbx7 {ed25519.read_text()}rbx7 {rsa.read_text()}"
    for private in (layout.identity, ed25519.with_suffix(""), rsa.with_suffix("")):
        assert private.stat().st_mode & 0o077 == 0
    assert subprocess.run(
        ["ssh-keygen", "-l", "-f", rsa], capture_output=True, check=True, text=True
    ).stdout.startswith("3072 ")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    make_access(layout, LAB.machines[:1])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("backends", "needed", "spared"),
    [
        (["nspawn"], {"systemd-nspawn", "ssh", "mmdebstrap"}, {"qemu-img"}),
        (["qemu"], {"qemu-system-x86_64", "qemu-img", "ssh"}, {"systemd-nspawn"}),
        (["qemu", "nspawn"], {"systemd-nspawn", "qemu-img"}, set()),
    ],
)
def test_a_lab_asks_for_what_its_backends_need(
    backends: list[str], needed: set[str], spared: set[str]
) -> None:
    tools = lab_tools(backends)
    assert needed <= set(tools)
    assert not spared & set(tools)
    assert len(tools) == len(set(tools))


def test_for_every_tool_there_is_a_package_to_install() -> None:
    assert set(lab_tools(["nspawn", "qemu"])) <= set(PACKAGE_OF)


def test_missing_tools_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["sh", "no-such-tool", "another-missing-tool"]
    monkeypatch.setitem(PACKAGE_OF, "no-such-tool", "its-package")
    monkeypatch.setitem(PACKAGE_OF, "another-missing-tool", "its-package")
    assert missing_tools(names) == (["no-such-tool", "another-missing-tool"], ["its-package"])
    with pytest.raises(PasInfraError, match="no-such-tool, another-missing-tool") as caught:
        require_tools(names)
    assert caught.value.next_step == "apt-get install --no-install-recommends its-package"


def test_a_command_that_fails_is_quoted_with_what_it_said() -> None:
    with pytest.raises(PasInfraError, match="exit code 3: first; second") as caught:
        run(["sh", "-c", "printf 'first\\nsecond\\n' >&2; exit 3"])
    assert str(caught.value.where).startswith("sh -c ")


def test_a_command_that_does_not_end_is_ended() -> None:
    with pytest.raises(PasInfraError, match="did not end within"):
        run(["sleep", "60"], timeout=0.1)


def test_a_commands_input_and_output() -> None:
    assert run(["cat"], stdin="é\n") == "é\n"
    assert run(["cat"]) == ""
