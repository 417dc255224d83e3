"""The way of an operator: plan, save it, apply it, verify, repair."""

import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.bench import LAB, STATE, Bench, Done

INTRUDER = "/etc/ssh/sshd_config.d/00-0-intruder.conf"


@dataclass(frozen=True)
class Planned:
    """A plan of untouched hosts, and what the hosts were before and after it."""

    done: Done
    file: Path
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module")
def planned(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Planned:
    bench.make_untouched()
    file = tmp_path_factory.mktemp("plan") / "plan.json"
    before = bench.fingerprint()
    done = bench.pas_infra("plan", "-o", file)
    return Planned(done, file, before, bench.fingerprint())


@pytest.fixture(scope="module")
def applied(bench: Bench, planned: Planned) -> Done:
    done = bench.pas_infra("apply", planned.file)
    bench.hosts = "hardened" if done.code == 0 else None
    return done


def test_a_plan_of_untouched_hosts_goes_to_the_end(planned: Planned) -> None:
    planned.done.expect(2)
    for line in (
        "~ Install chrony and the time zones (8.1.1)",
        "+++ /etc/ssh/sshd_config.d/00-pas-infra.conf",
        "+PermitRootLogin no",
    ):
        assert planned.done.stdout.count(line) == 3, f"{line}\n{planned.done.stdout}"
    assert re.search(r"^Plan: \d+ to change on 3 hosts$", planned.done.stdout, re.MULTILINE)


def test_a_plan_changes_nothing(planned: Planned) -> None:
    assert planned.after == planned.before


def test_a_saved_plan_is_private(planned: Planned) -> None:
    assert stat.S_IMODE(planned.file.stat().st_mode) == 0o600


def test_a_saved_plan_is_applied_and_verified(applied: Done) -> None:
    applied.expect(0)
    summary = re.search(r"^Verify: \d+ holds.*$", applied.stdout, re.MULTILINE)
    assert summary
    assert "fails" not in summary[0]
    assert "recorded as run" in applied.stderr


@pytest.mark.parametrize("narrow", [("--limit", "rbx7"), pytest.param((), marks=pytest.mark.full)])
def test_a_second_apply_changes_nothing(
    bench: Bench, applied: Done, narrow: tuple[str, ...]
) -> None:
    """No task of any role: scenarios leave this to it (tests/run.py)."""
    del applied
    again = bench.pas_infra("apply", "--yes", "--json", *narrow, code=0).json
    assert again["changed"] == []
    assert again["verification"]["missing"] == {}


@pytest.mark.full
def test_after_an_apply_there_is_nothing_left_to_plan(bench: Bench, applied: Done) -> None:
    del applied
    again = bench.pas_infra("plan", code=0)
    assert "Plan: 0 to change on 0 hosts" in again.stdout


def test_a_plan_of_other_variables_is_stale(
    hardened: Bench, environment_copy: Path, tmp_path: Path
) -> None:
    narrow = ("--limit", "bastion", "--role", "time")
    file = tmp_path / "plan.json"
    hardened.pas_infra("plan", "-e", environment_copy, *narrow, "-o", file, code=0)
    # Untouched it is applied: to the environment that it was made of, not to its namesake.
    assert "/environments/copy (" in hardened.pas_infra("apply", file, code=0).stderr
    variables = environment_copy / "group_vars/all.yml"
    variables.write_text(variables.read_text() + "time_zone: Europe/Paris\n")
    refused = hardened.pas_infra("apply", file, code=1)
    assert "is stale" in refused.stderr
    assert f"{variables} has changed" in refused.stderr


def test_a_plan_is_for_its_own_environment_only(
    hardened: Bench, environment_copy: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(environment_copy, tmp_path / "other")
    narrow = ("--limit", "bastion", "--role", "time")
    file = tmp_path / "plan.json"
    hardened.pas_infra("plan", "-e", environment_copy, *narrow, "-o", file, code=0)
    refused = hardened.pas_infra("apply", "-e", other, file, code=1)
    assert "the plan is for the environment copy" in refused.stderr


def test_tampering_is_refused_found_and_repaired(hardened: Bench, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    hardened.pas_infra("plan", "--role", "ssh", "-o", file, code=0)
    hardened.hosts = None
    hardened.on("sysfab", f"echo PermitRootLogin yes > {INTRUDER}; systemctl reload ssh")

    refused = hardened.pas_infra("apply", file, code=1)
    assert "the hosts have moved since the plan" in refused.stderr
    assert "sysfab: ssh : Remove drop-ins of others" in refused.stderr

    # That the others have nothing to change, the plan after the first apply has shown.
    found = hardened.pas_infra("verify", "--limit", "sysfab", code=2)
    assert re.search(r"^6\.2\.1 +partly ", found.stdout, re.MULTILINE)
    broken = [line for line in found.stdout.splitlines() if "✗" in line]
    assert len(broken) == 1, found.stdout
    assert "test_ssh.py::test_root_cannot_log_in" in broken[0]

    narrow = ("--limit", "sysfab", "--role", "ssh")
    repaired = hardened.pas_infra("apply", "--yes", "--json", *narrow, code=0).json
    assert [(c["host"], c["task"]) for c in repaired["changed"]] == [
        ("sysfab", "Remove drop-ins of others")
    ]
    assert repaired["verification"]["measures"]["6.2.1"] == "kept"
    hardened.hosts = "hardened"


def test_a_host_that_is_gone_is_never_fine(hardened: Bench) -> None:
    hardened.hosts = None
    hardened.cut_power("sysfab")
    plan = hardened.pas_infra("plan", "--role", "time", code=4)
    assert "sysfab" in plan.stderr
    assert "sysfab: nothing to change" not in plan.stdout
    verify = hardened.pas_infra("verify", "--role", "time", "--json", code=4).json
    assert list(verify["missing"]) == ["sysfab"]
    apply = hardened.pas_infra("apply", "--yes", "--role", "time", code=4)
    assert "sysfab" in apply.stderr

    hardened.pas_infra("lab", "up", "--name", LAB, "sysfab", code=0)
    hardened.pas_infra("plan", "--limit", "sysfab", code=0)
    hardened.hosts = "hardened"


@pytest.mark.parametrize("tags", [("--tags", "ssh"), pytest.param((), marks=pytest.mark.full)])
def test_plain_ansible_needs_no_orchestrator(hardened: Bench, tags: tuple[str, ...]) -> None:
    site = ("-i", "inventories/lab", "playbooks/site.yml")
    narrow = ("--limit", "bastion", *tags)
    done = hardened.run("ansible-playbook", *site, "--check", *narrow).expect(0)
    assert re.search(r"^bastion +: ok=\d+ +changed=0 ", done.stdout, re.MULTILINE), done.stdout


def test_what_a_session_leaves_is_private(hardened: Bench) -> None:
    for path in (STATE / "pas-infra/environments").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
