"""The kernel's audit on a kernel of its own: all is seen, locked, kept over a boot; none lost."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from labs import PROGRAM, STATE, Lab, tamper, until, virtual_host

pytestmark = pytest.mark.full

# What is done, as root by sudo from a login; the key under which it must be found.
DEEDS = {
    "time-change": "date --set=\"$(date '+%F %T')\" > /dev/null",
    "identity": "touch /etc/shadow",
    "sudoers": "touch /etc/sudoers.d/deed; rm /etc/sudoers.d/deed",
    "network-change": "hostname $(hostname); touch /etc/hosts",
    "logins": "touch /run/faillock/deed; rm /run/faillock/deed",
    "session": "touch /var/log/btmp",
    "confinement": "mkdir -p /etc/apparmor.d; touch /etc/apparmor.d/deed; rm /etc/apparmor.d/deed",
    "audit-log": "touch /etc/audit/rules.d/deed; rm /etc/audit/rules.d/deed",
    "modules": "modprobe dummy; modprobe -r dummy",
    "mounts": "mkdir -p /mnt/deed; mount -t tmpfs deed /mnt/deed; umount /mnt/deed",
    "suspect": "python3 -c 'import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)'",
    "access": "setpriv --reuid=65534 --clear-groups cat /etc/shadow 2> /dev/null || true",
    "permissions": "touch /root/deed; chmod 0600 /root/deed; chown root /root/deed",
    "delete": "rm -f /root/deed",
    "root-command": "id > /dev/null",
    "privileged": "su -c true root",
    "etc": "touch /etc/deed; rm /etc/deed",
}
# Records that wait, sampled while events come as fast as the kernel makes them.
BURST = """
python3 - <<'PY' &
import os
for number in range({files}):
    os.close(os.open('/root/burst', os.O_CREAT | os.O_WRONLY)); os.unlink('/root/burst')
PY
most=0
while kill -0 $! 2> /dev/null; do
    now=$(auditctl -s | sed -n 's/^backlog //p'); [ "$now" -le "$most" ] || most=$now
done
wait
echo $most
"""
# The removals of that file which are in the log, and what the daemon says that it did not receive
# (of none, grep says 0 and fails).
WRITTEN = """
ausearch --input-logs -k delete -f /root/burst --format csv 2> /dev/null | tail -n +2 | wc -l
"""
COMPLAINTS = "journalctl --boot --quiet --unit=auditd.service | grep -c 'Error receiving' || true"
FILES = 10000  # each is one event of at least five records


def deeds() -> str:
    """All deeds, one after the other."""
    return "\n".join(DEEDS.values())


def counted() -> str:
    """How many events stand under each key, a line each."""
    return "\n".join(
        f"echo {key} $(ausearch --input-logs -k {key} --format csv 2> /dev/null | wc -l)"
        for key in DEEDS
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """rbx7 as a virtual machine, with the role applied."""
    with virtual_host("f-audit", role="audit") as made:
        yield made


def root(lab: Lab, script: str) -> str:
    """Run a script as root on rbx7, from a login of the operator's."""
    done = subprocess.run(
        [PROGRAM, "lab", "ssh", "--name", lab.name, "rbx7", "sudo bash -s"],
        env={**os.environ, "XDG_STATE_HOME": str(STATE)},
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def numbers(lab: Lab) -> dict[str, int]:
    lines = [line.split() for line in root(lab, counted()).splitlines()]
    return {key: int(count) for key, count in lines}


def kernel(lab: Lab) -> dict[str, str]:
    lines = [line.split(maxsplit=1) for line in root(lab, "auditctl -s").splitlines()]
    return {line[0]: line[1] for line in lines}


def test_every_family_is_recorded(lab: Lab) -> None:
    before = numbers(lab)
    root(lab, deeds() + "\nsleep 3")
    after = numbers(lab)
    assert [key for key in DEEDS if after[key] <= before[key]] == []


def test_root_cannot_change_what_is_recorded(lab: Lab) -> None:
    rules = root(lab, "auditctl -l")
    refused = (
        "auditctl -D && exit 1; auditctl -e 0 && exit 1; auditctl -W /etc/shadow && exit 1; :;"
    )
    root(lab, f"{{ {refused} }} > /dev/null 2>&1")
    assert root(lab, "auditctl -l") == rules
    assert kernel(lab)["enabled"] == "2"


def test_a_burst_loses_nothing(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    most = int(root(lab, BURST.format(files=FILES)))
    # The kernel's `backlog` counts one of its three queues, so what counts is what is in the log.
    until(lambda: int(root(lab, WRITTEN)) >= FILES, 300, "the daemon has written the burst")
    state, complaints = kernel(lab), root(lab, COMPLAINTS).strip()
    with capsys.disabled():
        sys.stdout.write(f"\nat most {most} of {state['backlog_limit']} records waited\n")
    assert (int(root(lab, WRITTEN)), state["lost"], complaints) == (FILES, "0", "0")


def test_what_only_a_kernel_shows_is_seen(lab: Lab) -> None:
    tamper(lab, "audit", "--backend", "qemu")


def test_a_restart_brings_all_of_it_back(lab: Lab) -> None:
    rules = root(lab, "auditctl -l")
    boot = root(lab, "cat /proc/sys/kernel/random/boot_id")
    lab.do("ssh", "rbx7", "sudo systemctl reboot", code=None)

    def booted() -> bool:
        said = lab.do("ssh", "rbx7", "cat /proc/sys/kernel/random/boot_id", code=None)
        return said.code == 0 and said.stdout != boot

    until(booted, 600, "rbx7 is back after its restart")
    assert root(lab, "auditctl -l") == rules
    state = kernel(lab)
    assert (state["enabled"], state["loginuid_immutable"], state["lost"]) == (
        "2", "1 locked", "0"
    )  # fmt: skip
