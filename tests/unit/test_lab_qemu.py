"""The virtual machines of the lab, as far as they can be judged without starting one."""

import base64
import os
import stat
import subprocess
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.environment import Machine, Network
from orchestrator.errors import PasInfraError
from orchestrator.lab import accelerator, qemu, saved_state
from orchestrator.lab.guest import (
    by_address,
    guest_files,
    mac_address,
    network_unit,
    tmpfiles_lines,
    write_credentials,
)
from orchestrator.lab.layout import LabLayout
from orchestrator.lab.room import PAGE, promised_mb, require_room

MACHINE = Machine(
    name="rbx7",
    managed=True,
    backend="qemu",
    image="server",
    ipv4=IPv4Address("198.18.0.11"),
    ipv6=IPv6Address("2001:2::11"),
    memory_mb=1024,
    cpus=2,
)
NETWORK = Network("wan", IPv4Network("198.18.0.0/24"), IPv6Network("2001:2::/64"))
HOST_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n"


@pytest.fixture
def layout(tmp_path: Path) -> LabLayout:
    layout = LabLayout("unit", tmp_path)
    keys = layout.machine("rbx7") / "host_keys"
    keys.mkdir(parents=True)
    (keys / "ssh_host_ed25519_key").write_text(HOST_KEY)
    (keys / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA root@rbx7\n")
    Path(f"{layout.identity}.pub").write_text("ssh-ed25519 BBBB ops\n")
    return layout


@pytest.mark.parametrize("name", ["rbx7", "sysfab", "a-machine-with-a-very-long-name"])
def test_addresses_are_local_unicast_and_fit_linux(name: str) -> None:
    first = int(mac_address(name).split(":")[0], 16)
    assert first & 0b10, "not locally administered"
    assert not first & 0b01, "a multicast address"
    assert len(qemu.tap_device(name)) <= 15


def test_every_machine_has_an_address_of_its_own() -> None:
    names = ["rbx7", "sysfab", "bastion", "workstation", "outsider"]
    assert len({mac_address(name) for name in names}) == len(names)


def test_the_network_unit_is_for_the_card_that_qemu_makes() -> None:
    command = " ".join(qemu.command(MACHINE, Path("/image/root"), "tcg"))
    unit = network_unit(by_address(MACHINE), MACHINE, NETWORK).splitlines()
    assert f"MACAddress={mac_address('rbx7')}" in unit
    assert f"mac={mac_address('rbx7')}" in command
    assert {"Address=198.18.0.11/24", "Address=2001:2::11/64", "Gateway=198.18.0.1"} <= set(unit)


@pytest.mark.parametrize(
    ("chosen", "wanted"), [("tcg", "tcg,thread=multi,tb-size=512"), ("kvm", "kvm")]
)
def test_the_command_has_what_the_machine_asks_for(
    chosen: accelerator.Accelerator, wanted: str
) -> None:
    command = qemu.command(MACHINE, Path("/image/root"), chosen)
    given = dict(pairwise(command))
    assert given["-accel"] == wanted
    assert (given["-smp"], given["-m"]) == ("2", "1024")
    assert given["-kernel"] == "/image/grub.lnx"


def test_private_keys_reach_the_guest_by_files_only(layout: LabLayout) -> None:
    options = write_credentials(layout, MACHINE, NETWORK)
    directory = layout.machine("rbx7")
    encoded = base64.b64encode(HOST_KEY.encode()).decode()
    assert encoded in (directory / "credentials/tmpfiles.extra").read_text()
    assert encoded not in " ".join(options)
    assert "canary" not in " ".join(options)
    assert stat.S_IMODE((directory / "credentials").stat().st_mode) == 0o700
    for option in options[1::2]:
        fields = dict(field.split("=", 1) for field in option.split(","))
        # QEMU cuts longer names off, without a word.
        assert len(fields["name"]) <= 55
        assert (directory / fields["file"]).is_file()


@pytest.mark.parametrize(
    ("path", "mode", "owner"),
    [
        ("/etc/ssh/ssh_host_ed25519_key", ":0600", ":root"),
        ("/etc/ssh/ssh_host_ed25519_key.pub", ":0644", ":root"),
        ("/home/ops/.ssh/authorized_keys", ":0600", ":ops"),
        ("/etc/hostname", ":0644", ":root"),
    ],
)
def test_the_guest_makes_its_files_once(path: str, mode: str, owner: str) -> None:
    keys = {"ssh_host_ed25519_key": HOST_KEY, "ssh_host_ed25519_key.pub": "ssh-ed25519 AAAA\n"}
    files = guest_files("rbx7", "ssh-ed25519 BBBB ops\n", keys)
    lines = {line.split()[1]: line.split() for line in tmpfiles_lines(files).splitlines()}
    kind, _, found_mode, found_owner, group, age, content = lines[path]
    # Without the plus and with the colons an existing file keeps its content, mode and owner.
    assert (kind, found_mode, found_owner, group, age) == ("f~", mode, owner, owner, "-")
    written = {file.path: file.content for file in files}
    assert base64.b64decode(content).decode() == written[path]


def test_the_script_that_settles_a_resumed_guest_is_a_script_with_the_keys() -> None:
    script = saved_state.settling_script(1789000000.25, {"ssh_host_rsa_key": HOST_KEY})
    assert "--set=@1789000000.250" in script
    assert "install -m 0600 /dev/stdin /etc/ssh/ssh_host_rsa_key" in script
    checked = subprocess.run(["sh", "-n"], input=script, text=True, check=False)
    assert checked.returncode == 0
    body = script.split("<<'KEY'\n")[1].split("\nKEY\n")[0]
    assert body == HOST_KEY.rstrip()


def test_a_state_is_kept_by_the_process_that_booted_the_machine_only(layout: LabLayout) -> None:
    note = layout.machine("rbx7") / "first-boot"
    note.write_text(f"{os.getppid()} key")
    # There is no QEMU: it would raise if it tried to save.
    saved_state.keep_state(layout, MACHINE)
    assert not note.exists()
    assert not saved_state.is_kept(layout, "rbx7", "key")


def test_another_key_means_another_state(layout: LabLayout) -> None:
    kept = saved_state.saved_state(layout, "rbx7")
    kept.mkdir(parents=True)
    key = saved_state.state_key(["-m", "1024"])
    (kept / "key").write_text(key)
    assert saved_state.is_kept(layout, "rbx7", key)
    assert not saved_state.is_kept(layout, "rbx7", saved_state.state_key(["-m", "2048"]))
    assert saved_state.state_key(["a", "b"]) != saved_state.state_key(["ab"])


@pytest.mark.parametrize(
    ("arguments", "resident_mb", "promised"),
    [
        (["qemu-system-x86_64", "-m", "1024"], 300, 724),
        (["/usr/bin/qemu-system-x86_64", "-smp", "2", "-m", "1024"], 1500, 0),
        (["sh", "qemu-launch.sh", "qemu-system-x86_64", "-m", "1024"], 1, 0),
        (["qemu-system-x86_64", "-S"], 1, 0),
        ([""], 0, 0),
    ],
)
def test_memory_that_running_machines_may_still_take(
    tmp_path: Path, arguments: list[str], resident_mb: int, promised: int
) -> None:
    process = tmp_path / "4711"
    process.mkdir()
    (process / "cmdline").write_text("\0".join(arguments) + "\0")
    (process / "statm").write_text(f"999999 {resident_mb * 2**20 // PAGE} 0 0 0 0 0\n")
    (tmp_path / "uptime").write_text("1 1\n")
    assert promised_mb(tmp_path) == promised


def test_too_little_room_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PasInfraError, match=r"rbx7 needs 900000000 MB of memory") as memory:
        require_room("rbx7", 900_000_000, [])
    assert "memory_mb" in str(memory.value.next_step)
    with pytest.raises(PasInfraError, match=r"rbx7 needs 900000000 MB of disk.* missing") as disk:
        require_room("rbx7", 1, [(tmp_path, 900_000_000)])
    assert disk.value.where == str(tmp_path)
    require_room("rbx7", 1, [(tmp_path, 0)])


def test_the_accelerator_is_tried_once_a_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/kvm").exists():
        pytest.skip("without /dev/kvm there is nothing to try")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    no_kernel = tmp_path / "vmlinuz"
    note = tmp_path / "pas-infra/accelerator"
    note.parent.mkdir()
    note.write_text("an-earlier-boot kvm\n")
    assert accelerator.accelerator(no_kernel) == "tcg"
    boot, found = note.read_text().split()
    assert found == "tcg"
    note.write_text(f"{boot} kvm\n")
    assert accelerator.accelerator(no_kernel) == "kvm"
