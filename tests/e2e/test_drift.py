"""Drift on a real host: quiet when nothing moved, exact when something has, never green blind."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.bench import LAB, Bench, until
from orchestrator.drift import canary

HOST = "bastion"
HERE = ("--limit", HOST)
QUICK = (*HERE, "--role", "time")
INTRUDER = "/etc/ssh/sshd_config.d/00-0-intruder.conf"
# What any login writes, and where Ansible puts its modules for the time that they run. /run and
# /tmp are file systems of their own, in memory.
LOGINS = ("/var/log/", "/run", "/tmp", "/root/.ansible/tmp", "/home/ops/.ansible/tmp")
TIMES_OF_CHANGE = 'find / -xdev -printf "%C@ %p\\n"'
TEMPORARY = "find /tmp /var/tmp /root /home /dev/shm -xdev"


def times_of_change(bench: Bench) -> dict[str, str]:
    lines = (line.partition(" ") for line in bench.on(HOST, TIMES_OF_CHANGE).splitlines())
    return {path: when for when, _, path in lines if not path.startswith(LOGINS)}


def temporary_files(bench: Bench) -> set[str]:
    return set(bench.on(HOST, TEMPORARY).splitlines())


def test_a_look_at_a_host_that_was_left_alone(hardened: Bench) -> None:
    before, temporary = times_of_change(hardened), temporary_files(hardened)
    look = hardened.pas_infra("drift", *HERE, "--json", code=0).json
    after = times_of_change(hardened)

    assert {path for path in {*before, *after} if before.get(path) != after.get(path)} == set()
    assert temporary_files(hardened) == temporary
    assert hardened.on(HOST, f"cat {canary.PATH}") == canary.DECLARED
    assert look["findings"] == []
    [host] = look["hosts"]
    assert (host["host"], host["complete"], host["why"]) == (HOST, True, [])
    counts = host["tasks_and_checks"]
    assert counts["would_change"] == 0
    assert counts["looked_at"] > 300
    assert host["blind"] == counts["blind"]
    assert 80 < host["coverage"] < 100


@pytest.fixture
def tampered(hardened: Bench) -> Iterator[Bench]:
    hardened.hosts = None
    hardened.on(HOST, f"echo PermitRootLogin yes > {INTRUDER}; systemctl reload ssh")
    yield hardened
    hardened.on(HOST, f"rm -f {INTRUDER}; systemctl reload ssh")
    hardened.hosts = "hardened"


def test_what_moved_is_named_accepted_and_put_right(
    tampered: Bench, environment_copy: Path
) -> None:
    here = ("-e", environment_copy)
    narrow = (*here, *HERE, "--role", "ssh")

    found = tampered.pas_infra("drift", *narrow, "--json", code=2).json
    [one] = found["findings"]
    assert (one["kind"], one["object_kind"], one["name"]) == ("unmanaged", "file", INTRUDER)
    assert (one["host"], one["role"], one["new"]) == (HOST, "ssh", True)
    assert "6.2.1" in one["measures"]
    assert one["checks"] == ["test_ssh.py::test_root_cannot_log_in"]
    # This environment, a copy, was never applied.
    assert one["cause"] == "unknown"
    finding = one["identity"]

    until_then = ("--reason", "un essai", "--until", "2099-12-31")
    tampered.pas_infra("drift", "accept", finding[:6], *here, *until_then, code=0)
    accepted = tampered.pas_infra("drift", *narrow, code=0)
    assert f"~ unmanaged file {INTRUDER}" in accepted.stdout
    assert "OK · pending 0 · accepted 1" in accepted.stdout
    ended = (environment_copy / "waivers.yml").read_text().replace("2099-12-31'", "2020-01-01'")
    (environment_copy / "waivers.yml").write_text(ended)

    fixed = tampered.pas_infra("drift", "fix", finding, *here, "--yes", code=0)
    assert "1 changed" in fixed.stderr
    gone = tampered.pas_infra("drift", *narrow, code=0)
    assert "OK" in gone.stdout
    shown = tampered.pas_infra("drift", "show", finding, *here, code=0)
    assert "gone; seen by the runs 1, 2" in shown.stdout
    again = tampered.pas_infra("drift", "fix", finding, *here, "--yes", code=1)
    assert "is no finding any more" in again.stderr

    history = tampered.pas_infra("drift", "history", *here, code=0).stdout
    assert "findings, only ssh" in history
    assert f"{HOST}: DRIFT 1 (1 new) · pending 0" in history


def test_two_at_once_and_one_that_is_killed(hardened: Bench) -> None:
    first = hardened.start("drift", *QUICK)
    tampered_with = f"grep -q tampered {canary.PATH} 2> /dev/null && echo yes || true"
    until(lambda: hardened.on(HOST, tampered_with), 60, "the canary is tampered with", first)
    second = hardened.pas_infra("drift", *QUICK, code=3)
    assert "holds this environment" in second.stderr
    first.process.send_signal(signal.SIGKILL)
    first.wait()
    assert "tampered" in hardened.on(HOST, f"cat {canary.PATH}")

    hardened.pas_infra("drift", *QUICK, code=0)
    assert hardened.on(HOST, f"cat {canary.PATH}") == canary.DECLARED
    assert "broken" in hardened.pas_infra("drift", "history", code=0).stdout


def test_without_its_canary_a_look_is_not_believed(hardened: Bench) -> None:
    hardened.on(HOST, f"rm {canary.PATH}; mkdir {canary.PATH}")
    try:
        look = hardened.pas_infra("drift", *QUICK, code=4)
    finally:
        hardened.on(HOST, f"rmdir {canary.PATH}")
    assert f"{HOST}: INCOMPLETE" in look.stdout
    assert "the canary could not be placed" in look.stdout
    assert "the canary was not seen by the roles and the checks" in look.stdout


def test_a_host_that_is_gone_is_incomplete(hardened: Bench) -> None:
    hardened.hosts = None
    hardened.cut_power(HOST)
    look = hardened.pas_infra("drift", "--limit", f"{HOST},rbx7", "--role", "time", code=4)
    hardened.pas_infra("lab", "up", "--name", LAB, HOST, code=0)
    hardened.hosts = "hardened"
    assert f"{HOST}: INCOMPLETE · pending 0 · blind" in look.stdout
    assert "rbx7: OK" in look.stdout
    assert "Traceback" not in look.stderr
