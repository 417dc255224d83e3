"""Whether the next start of a host can be unlocked, from what its initramfs says."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.boot_proof import _LETS_IN, _SCRIPT, Wanted, faults, read_facts

INITRAMFS = Path(__file__).parents[2] / "roles/initramfs"

KEY = "ssh-ed25519 AAAAC3Nza"
LETS_IN = f"{_LETS_IN}ssh-ed25519 BBBB ops"
WANTED = Wanted((KEY,), ("ssh-ed25519 BBBB ops",), 2222)
GOOD = f"""\
encrypted yes
luks 1d3c-44
interface wan0
gateway 198.18.0.1
address 198.18.0.11
linux /boot/vmlinuz-6.12
initrd /boot/initrd.img-6.12
crypttab system_crypt UUID=1d3c-44 none luks,tries=0
unlocker yes
hostkey {KEY}
letsin {LETS_IN}
dropbear yes
port 2222
mac 02:c0:be:05:c6:96
link 02:C0:BE:05:c6:96
ip 198.18.0.11::198.18.0.1:255.255.255.0:rbx7:wan0:off
driver there
"""


def test_what_is_as_it_must_be_has_no_fault() -> None:
    assert faults(read_facts(GOOD), WANTED) == []
    assert faults(read_facts(GOOD.replace("driver there", "driver built-in")), WANTED) == []


def test_tang_is_asked_where_that_is_declared() -> None:
    wanted = replace(WANTED, tang=True)
    assert faults(read_facts(GOOD), wanted) == ["its initramfs does not ask Tang"]
    assert faults(read_facts(f"{GOOD}tang yes\n"), wanted) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("crypttab system_crypt UUID=1d3c-44", "crypttab system_crypt UUID=ffff", "does not open"),
        ("luks 1d3c-44\n", "luks 1d3c-44\nluks 5e6f\n", "does not open the disk 5e6f"),
        ("crypttab system_crypt UUID=1d3c-44 none luks,tries=0\n", "", "does not open the disk"),
        ("luks 1d3c-44\ninterface", "interface", "does not open the disk of LUKS"),
        ("unlocker yes\n", "", "no cryptroot-unlock"),
        (f"hostkey {KEY}\n", "", "no host key"),
        (f"hostkey {KEY}", "hostkey ssh-ed25519 CCCC", "not pinned"),
        (f"hostkey {KEY}\n", f"hostkey {KEY}\nhostkey ssh-rsa DDDD\n", "not pinned (ssh-rsa)"),
        (f"letsin {LETS_IN}\n", "", "lets in others"),
        (f"letsin {LETS_IN}\n", f"letsin {LETS_IN}\nletsin ssh-rsa EEEE\n", "lets in others"),
        (_LETS_IN, "", "lets in others"),
        ("dropbear yes\n", "", "no dropbear"),
        ("dropbear yes\n", "dropbear yes\ntang yes\n", "asks Tang, which nobody declared"),
        ("port 2222", "port 22", "listens on port 22, not 2222"),
        ("mac 02:c0", "mac 02:c1", "does not know the network card 02:c1"),
        (
            "port 2222",
            "overrides ip=dhcp\nport 2222",
            "told something else than its initramfs: ip=dhcp",
        ),
        ("port 2222", "chosen next_entry=2\nport 2222", "another entry: next_entry=2"),
        ("driver there", "driver none: bond0 is no network card", "bond0 is no network card"),
        ("ip 198.18.0.11::", "ip 198.18.0.99::", "address 198.18.0.99"),
        ("ip 198.18.0.11::198.18.0.1:255.255.255.0:rbx7:wan0:off\n", "", "no address"),
        ("::198.18.0.1:", "::198.18.0.254:", "gateway 198.18.0.254"),
        (":wan0:off", ":eth0:off", "interface eth0"),
        ("interface wan0", "interface enp1s0", "runs with enp1s0"),
        ("driver there", "driver missing igb", "no driver for its network card (missing igb)"),
        ("driver there\n", "", "no driver"),
        ("linux /boot/vmlinuz-6.12\n", "missing linux /vmlinuz-6.12\n", "no linux /vmlinuz-6.12"),
    ],
)
def test_what_is_not_as_it_must_be_is_said(old: str, new: str, said: str) -> None:
    assert old in GOOD
    found = faults(read_facts(GOOD.replace(old, new)), WANTED)
    assert len(found) == 1, found
    assert said in found[0]


def test_who_is_let_in_is_what_the_role_writes() -> None:
    template = (INITRAMFS / "templates/unlock_keys.j2").read_text("utf-8")
    assert f"{_LETS_IN}{{{{ key }}}}\n" in template


def test_the_script_is_one_that_a_shell_understands() -> None:
    subprocess.run(["sh", "-n"], input=_SCRIPT.read_text("utf-8"), text=True, check=True)
