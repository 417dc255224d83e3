"""Drift on a real host: quiet when nothing moved, exact when something has, never green blind."""

import signal
from typing import Any

import pytest
from tampering.corpus import Tampering, batches, brief, read_corpus

from e2e.bench import LAB, Bench, until
from orchestrator.drift import canary

HOST = "bastion"
HERE = ("--limit", HOST)
QUICK = (*HERE, "--role", "time")
# What any login writes, and where Ansible puts its modules for the time that they run. /run and
# /tmp are file systems of their own, in memory.
LOGINS = ("/var/log/", "/run", "/tmp", "/root/.ansible/tmp", "/home/ops/.ansible/tmp")  # noqa: S108
TIMES_OF_CHANGE = 'find / -xdev -printf "%C@ %p\\n"'
TEMPORARY = "find /tmp /var/tmp /root /home /dev/shm -xdev"


def times_of_change(bench: Bench) -> dict[str, str]:
    lines = (line.partition(" ") for line in bench.on(HOST, TIMES_OF_CHANGE).splitlines())
    return {path: when for when, _, path in lines if not path.startswith(LOGINS)}


def temporary_files(bench: Bench) -> set[str]:
    return set(bench.on(HOST, TEMPORARY).splitlines())


def test_a_look_at_a_host_that_was_left_alone(hardened: Bench) -> None:
    nobody = hardened.pas_infra("drift", "baseline", *HERE, code=130, stdin="n\n")
    assert "nothing was accepted before" in nobody.stderr
    hardened.pas_infra("drift", "baseline", *HERE, "--yes", code=0)
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


@pytest.mark.parametrize("more", [("--quick",), pytest.param((), marks=pytest.mark.full)])
def test_what_no_role_and_no_check_asks_about_is_seen(
    hardened: Bench, more: tuple[str, ...]
) -> None:
    unit = "/etc/systemd/system/rogue.service"
    hardened.on(HOST, f"printf '[Service]\\nExecStart=/bin/true\\n' > {unit}")
    try:
        found = hardened.pas_infra("drift", *more, *HERE, "--json", code=2).json["findings"]
    finally:
        hardened.on(HOST, f"rm {unit}; systemctl daemon-reload")
    assert {one["eye"] for one in found} == {"collector"}, found
    assert f"file {unit}" in {f"{one['object_kind']} {one['name']}" for one in found}
    assert all("rogue.service" in one["name"] for one in found)
    [alone] = hardened.pas_infra("drift", "--quick", *HERE, "--json", code=0).json["hosts"]
    print(f"\na quick look at a host: {alone['seconds']:.1f} s")  # noqa: T201 - a duration


def test_what_moved_is_named_and_put_right(hardened: Bench) -> None:
    """A sample of the corpus: what breaks the ssh server in several places at once."""
    sample = [one for one in batches(brief(read_corpus("ssh")))[0] if one.repair]
    assert len(sample) > 5
    hardened.hosts = None
    for tampering in sample:
        hardened.on(HOST, "sh -eu", stdin=tampering.change)

    found = hardened.pas_infra("drift", *HERE, "--role", "ssh", "--json", code=2).json["findings"]
    assert {c for one in found for c in one["checks"]} == {c for t in sample for c in t.fails}
    for tampering in sample:
        named = [one for one in found if is_of(one, tampering)]
        assert named, f"{tampering.name}: {found}"
        measures = {m for one in named for m in one["measures"]}
        assert measures >= set(tampering.measures), tampering.name
    for one in found:
        assert any(is_of(one, tampering) for tampering in sample), one
        assert (one["host"], one["role"], one["new"]) == (HOST, "ssh", True)
        assert one["cause"] == "corrective", one["because"]

    hardened.pas_infra("drift", "fix", found[0]["identity"][:6], "--yes", code=0)
    hardened.hosts = "hardened"
    history = hardened.pas_infra("drift", "history", code=0).stdout
    assert f"{HOST}: DRIFT {len(found)} ({len(found)} new) · pending 0" in history


def is_of(finding: dict[str, Any], tampering: Tampering) -> bool:
    """Whether it is what the tampering must show: its check, or the object that was broken."""
    if finding["object_kind"] == "check":
        return finding["name"] in tampering.fails
    if finding["object_kind"] == "task":
        return finding["name"] in tampering.drift
    return finding["name"] in tampering.change


def test_what_an_apply_has_changed_is_accepted_with_it(hardened: Bench) -> None:
    """And nothing else: what somebody left there before stays a finding."""
    managed, rogue = "/etc/chrony/pas-infra.conf", "/etc/rogue.conf"
    hardened.on(HOST, f"echo % another >> {managed}")
    hardened.pas_infra("drift", "baseline", *HERE, "--yes", code=0)
    hardened.on(HOST, f"touch {rogue}")
    done = hardened.pas_infra("apply", *QUICK, "--yes", "--json", code=0).json
    look = hardened.pas_infra("drift", "--quick", *HERE, "--json", code=2).json
    hardened.on(HOST, f"rm {rogue}")

    assert f"file {managed}" in done["accepted"][HOST]
    assert done["not_accepted"] == {}
    [left] = look["findings"]
    assert (left["name"], left["cause"]) == (rogue, "corrective")


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


def test_what_was_not_seen_is_never_fine(hardened: Bench) -> None:
    hardened.hosts = None
    hardened.on(HOST, f"rm {canary.PATH}; mkdir {canary.PATH}")
    hardened.cut_power("rbx7")
    look = hardened.pas_infra("drift", "--role", "time", code=4)
    hardened.on(HOST, f"rmdir {canary.PATH}")
    hardened.pas_infra("lab", "up", "--name", LAB, "rbx7", code=0)
    hardened.hosts = "hardened"
    said = dict.fromkeys(line.partition(" ·")[0] for line in look.stdout.splitlines())
    assert f"{HOST}: INCOMPLETE" in said
    assert "  ? the canary was not seen by the roles and the checks" in look.stdout
    assert "rbx7: INCOMPLETE" in said
    assert "no answer over SSH" in look.stdout
    assert "sysfab: OK" in said
    assert "Traceback" not in look.stderr
