"""The confirmed commit from end to end: whatever locks the operator out, the host comes back."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from rig import COMMITS, HOST, Rig

LOCK_OUT = Path(__file__).parent / "playbooks/lock_out.yml"
DROP_IN = "/etc/ssh/sshd_config.d/00-pas-infra.conf"
SECONDS = 12  # the time limit: long enough for what a busy machine does within it


def _vary(environment: Path, **variables: object) -> Path:
    """Set variables of the roles in a copy of the lab's environment."""
    file = environment / "group_vars/all.yml"
    lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in variables.items())
    file.write_text(file.read_text() + lines)
    return environment


def _last_run(rig: Rig, environment: Path | str) -> dict[str, Any]:
    done = rig.run("pas-infra", "history", "last", "--env", str(environment), "--json").expect(0)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_apply_that_locks_the_operator_out_is_rolled_back(
    hardened: Rig, environment_copy: Path
) -> None:
    before = hardened.settings()
    locked_out = _vary(environment_copy, ssh_allow_groups=["nogroup"])
    done = hardened.apply(locked_out, "--confirm-timeout", str(SECONDS)).expect(1)
    for told in ("rolled back", HOST, DROP_IN, "not confirmed over a fresh connection in time"):
        assert told in done.stderr, done.stderr
    assert "Permission denied" in done.stderr, "what the fresh connection was told"
    assert hardened.settings() == before
    assert hardened.armed() == []
    run = _last_run(hardened, locked_out)
    assert run["status"] == "failed"
    assert "rolled back" in run["message"]


def test_task_that_fails_in_between_is_settled_at_once(
    hardened: Rig, environment_copy: Path
) -> None:
    """The banner is written before sshd refuses the drop-in; nobody waits for the time limit."""
    before = hardened.settings()
    broken = _vary(environment_copy, ssh_banner="other\n", ssh_ciphers=["rot13"])
    started = time.monotonic()
    done = hardened.apply(broken, "--confirm-timeout", "600").expect(1)
    assert time.monotonic() - started < 120
    for told in ("rolled back", HOST, "/etc/ssh/banner", "the run failed before"):
        assert told in done.stderr, done.stderr
    assert hardened.settings() == before
    assert hardened.armed() == []


def test_control_node_killed_before_the_confirmation(hardened: Rig, environment_copy: Path) -> None:
    before = hardened.settings()
    locked_out = _vary(environment_copy, ssh_allow_groups=["nogroup"])
    process = hardened.start(
        "pas-infra", "apply", "--env", str(locked_out), "--limit", HOST, "--role", "ssh", "--yes",
        "--confirm-timeout", str(SECONDS),
    )  # fmt: skip
    try:
        _until(lambda: "nogroup" in (hardened.overlay(DROP_IN) or ""), 120, "the change is made")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    _until(lambda: hardened.overlay(f"{COMMITS}/ssh/state.json") is None, 60, "the time limit")
    _until(lambda: hardened.root(":", code=None).code == 0, 60, "the operator is let in again")
    assert hardened.settings() == before
    assert hardened.armed() == []
    # What is left of the killed run does not come back, and the next apply converges.
    hardened.apply().expect(0)
    assert hardened.settings()[1] == before[1]


def test_power_cut_before_the_confirmation(hardened: Rig) -> None:
    """After the next boot nobody was ever refused: the host restores before sshd answers."""
    before = hardened.settings()
    refuse = "echo 'AllowUsers nobody' > /etc/ssh/sshd_config.d/00-first.conf"
    variables = {
        "paths": ["/etc/ssh"], "change": f"{refuse}; sync", "confirm": False,
        "confirmed_commit_timeout": 3600,
    }  # fmt: skip
    hardened.playbook(LOCK_OUT, variables, "linear").expect(0)
    assert hardened.root(":", code=None).code == 255, "the operator is locked out"
    hardened.cut_power()
    hardened.lab("up", HOST)
    assert hardened.settings() == before
    assert hardened.armed() == []
    record = json.loads(hardened.root(f"cat {COMMITS}/fault.rolled-back.json").stdout)
    assert record["why"] == "the host was restarted before it was confirmed"
    assert record["faults"] == []
    refused = hardened.root("journalctl -b -q -u ssh | grep -c 'not allowed' || :").stdout
    assert refused == "0\n"


@pytest.mark.parametrize("strategy", [pytest.param("linear", marks=pytest.mark.full), "mitogen"])
def test_sudo_broken_by_the_change(rig: Rig, strategy: str) -> None:
    """The connection that made the change may be root still; a fresh one is not."""
    before = rig.settings()
    demand = "echo 'ops ALL=(ALL:ALL) PASSWD: ALL' > /etc/sudoers.d/zz-fault"
    variables = {
        "paths": ["/etc/sudoers.d"], "change": demand, "confirmed_commit_timeout": SECONDS,
    }  # fmt: skip
    done = rig.playbook(LOCK_OUT, variables, strategy).expect(2)
    said = " ".join((done.stdout + done.stderr).split())
    for told in ("was rolled back", "password is required", "/etc/sudoers.d/zz-fault"):
        assert told in said, said
    assert rig.settings() == before
    assert rig.armed() == []


@pytest.mark.parametrize(
    ("stack", "line"),
    [
        ("common-account", "account requisite pam_deny.so"),
        pytest.param("common-session", "session required pam_deny.so", marks=pytest.mark.full),
        pytest.param(
            "common-account", "account required pam_no_such_module.so", marks=pytest.mark.full
        ),
    ],
)
def test_pam_broken_by_the_change(rig: Rig, stack: str, line: str) -> None:
    """Whoever is in stays in; a fresh login meets the stack that refuses everybody."""
    before = rig.settings()
    variables = {
        "paths": ["/etc/pam.d"], "change": f"sed -i '1i {line}' /etc/pam.d/{stack}",
        "confirmed_commit_timeout": SECONDS,
    }  # fmt: skip
    done = rig.playbook(LOCK_OUT, variables, "linear").expect(2)
    said = " ".join((done.stdout + done.stderr).split())
    for told in ("was rolled back", f"/etc/pam.d/{stack}"):
        assert told in said, said
    assert rig.settings() == before
    assert rig.armed() == []


def test_a_change_that_lets_the_operator_in_is_confirmed_and_stays(rig: Rig) -> None:
    said = "echo 'MaxAuthTries 5' > /etc/ssh/sshd_config.d/99-fault.conf"
    variables = {"paths": ["/etc/ssh"], "change": said, "confirmed_commit_timeout": SECONDS}
    done = rig.playbook(LOCK_OUT, variables, "linear").expect(0)
    assert "confirmed over a fresh connection" not in done.stderr
    assert rig.armed() == []
    time.sleep(SECONDS + 1)
    assert rig.root("cat /etc/ssh/sshd_config.d/99-fault.conf").stdout == "MaxAuthTries 5\n"
    rig.root("rm /etc/ssh/sshd_config.d/99-fault.conf; systemctl reload ssh")


@pytest.mark.full
def test_a_people_yml_that_binds_ansible_to_another_address(
    hardened: Rig, environment_copy: Path
) -> None:
    """Last, because it makes the accounts: from then on sshd asks for the keys of people.yml."""
    hardened.apply(role="accounts").expect(0)
    before = hardened.settings()
    file = environment_copy / "people.yml"
    text = file.read_text()
    assert "from: [198.18.0.1," in text
    file.write_text(text.replace("from: [198.18.0.1,", "from: [203.0.113.1,"))
    # The role has more tasks than that limit has seconds: what is to be seen is the refusal.
    done = hardened.apply(environment_copy, "--confirm-timeout", str(10 * SECONDS), role="accounts")
    done.expect(1)
    for told in ("rolled back", HOST, "/etc/ssh/authorized_keys.d/ops", "Permission denied"):
        assert told in done.stderr, done.stderr
    assert hardened.settings() == before
    assert hardened.armed() == []


def _until(condition: Any, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.2)
