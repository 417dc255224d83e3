"""A machine with a kernel of its own: what a container cannot show. Minutes under emulation."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from labs import PROGRAM, STATE, Lab, tamper, until

from orchestrator.paths import project_root

pytestmark = pytest.mark.full

GUARD = Path("roles/confirmed_commit/files/guard.py")
COMMIT = {"name": "reboot", "paths": ["/etc/ssh"], "units": ["ssh.service"], "ruleset": False}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """rbx7 as a virtual machine, and the bastion, whose time it follows, as a container."""
    made = Lab("f-qemu")
    made.do("down", "--erase")
    try:
        made.do("up", "bastion")
        made.do("up", "rbx7", "--backend", "qemu")
        yield made
    finally:
        made.do("down", "--erase")


def pas_infra(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    # An emulated login on a busy machine takes minutes.
    patience = {"ANSIBLE_TIMEOUT": "300"}
    state = {"XDG_STATE_HOME": str(STATE), "PAS_INFRA_LAB_DIR": str(lab.directory), **patience}
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**os.environ, **state},
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_has_a_kernel_of_its_own(lab: Lab) -> None:
    assert "cloud" in lab.on("rbx7", "uname -r")
    assert lab.on("rbx7", "systemd-detect-virt --container || true").strip() == "none"
    lab.on("rbx7", "sudo modprobe wireguard")


def test_the_site_is_applied_and_verified(lab: Lab) -> None:
    # What the kernel is started with holds after a restart only.
    done = pas_infra(lab, "apply", "--yes", "--json", "--limit", "rbx7,bastion", "--reboot",
                     "--confirm-timeout", "300")  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    answer = json.loads(done.stdout)
    assert not answer["failed"]
    assert [(each["host"], each["fault"]) for each in answer["reboots"]] == [("rbx7", "")]
    # The kernel's clock is the machine's own here: chrony sets it, and is seen to follow.
    assert "-x" not in lab.on("rbx7", "systemctl show -P ExecStart chrony.service").split()
    again = pas_infra(lab, "plan", "--limit", "rbx7,bastion")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]


def test_what_only_a_kernel_shows_of_updates_is_seen(lab: Lab) -> None:
    tamper(lab, "updates", "--backend", "qemu")


def test_malware_is_found_where_apparmor_confines_the_scanner(lab: Lab) -> None:
    eicar = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-" + "FILE!$H+H*"
    assert lab.ssh("rbx7", "sudo tee /srv/found > /dev/null", eicar).returncode == 0
    confined = "sudo cat /proc/$(systemctl show -P MainPID clamav-daemon.service)/attr/current"
    assert "(enforce)" in lab.on("rbx7", confined)
    lab.on("rbx7", "! sudo systemctl start pas-infra-antimalware.service")
    lab.on("rbx7", "! sudo test -e /srv/found")
    kept = json.loads(lab.on("rbx7", "sudo tail -n 1 /var/lib/pas-infra/quarantine/manifest.jsonl"))
    assert kept["origin"] == "/srv/found"
    lab.on("rbx7", "sudo systemctl start pas-infra-antimalware.service")


def test_a_restart_before_the_confirmation_restores_the_host(lab: Lab) -> None:
    """Over a real boot: the state is back before sshd answers, so the operator gets in."""
    guard = (project_root() / GUARD).read_text()
    write = subprocess.run(
        [PROGRAM, "lab", "ssh", "--name", lab.name, "rbx7", "cat > guard.py"],
        env={**os.environ, "XDG_STATE_HOME": str(STATE)},
        input=guard,
        text=True,
        capture_output=True,
        check=False,
    )
    assert write.returncode == 0, write.stderr
    request = json.dumps({**COMMIT, "timeout": 3000, "guard": "/home/ops/guard.py"})
    lab.on("rbx7", f"sudo python3 guard.py arm '{request}'")
    boot = lab.on("rbx7", "cat /proc/sys/kernel/random/boot_id")
    lab.on("rbx7", "echo 'DenyUsers ops' | sudo tee /etc/ssh/sshd_config.d/00-aaa.conf")
    lab.do("ssh", "rbx7", "sudo systemctl reboot", code=None)

    def booted() -> bool:
        said = lab.do("ssh", "rbx7", "cat /proc/sys/kernel/random/boot_id", code=None)
        return said.code == 0 and said.stdout != boot

    until(booted, 600, "rbx7 lets the operator in after its restart")
    record = lab.on("rbx7", "sudo cat /var/lib/pas-infra/commits/reboot.rolled-back.json")
    assert json.loads(record)["changed"] == ["/etc/ssh/sshd_config.d/00-aaa.conf"]
    assert "restarted" in json.loads(record)["why"]
    lab.on("rbx7", "test ! -e /etc/ssh/sshd_config.d/00-aaa.conf")
    lab.on("rbx7", "sudo sh -c 'test ! -e /var/lib/pas-infra/commits/reboot'")


def test_a_reset_resumes_the_saved_first_boot(lab: Lab) -> None:
    before = lab.on("rbx7", "cat /etc/ssh/ssh_host_ed25519_key.pub")
    lab.do("reset", "rbx7", "--backend", "qemu")
    assert lab.on("rbx7", "cat /etc/ssh/ssh_host_ed25519_key.pub") != before
    lab.on("rbx7", "test ! -e guard.py")
