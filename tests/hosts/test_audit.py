"""Checks of role audit: what is recorded, that nobody can change it, and that nothing is lost."""

import re
from collections.abc import Callable, Mapping

import pytest
from conftest import LAG, Answers
from declared import ROLES, Declared

STATIC = (ROLES / "audit/files/pas-infra.rules").read_text("utf-8")
CONFIGURATION = "/etc/audit/auditd.conf"
LOG = "/var/log/audit"
FAILURE = {"printk": "1", "panic": "2"}
SETUID = (
    "find $(findmnt -rno TARGET -t btrfs,ext2,ext3,ext4,f2fs,overlay,xfs,zfs) -xdev "
    "-ignore_readdir_race -path '/run/*' -prune -o -type f -perm /6000 -executable -print"
)


def rules_of(text: str) -> list[str]:
    """The rules in a file or of `auditctl -l`, each in the one form that the role writes."""
    lines = [line.strip() for line in text.splitlines() if line.startswith(("-a", "-A", "-w"))]
    return [re.sub(r"(auid!?)=-1\b", r"\1=unset", line.replace(" -S all", "")) for line in lines]


def privileged(program: str) -> str:
    return (
        f"-a always,exit -F path={program} -F perm=x -F auid>=1000 -F auid!=unset -F key=privileged"
    )


@pytest.fixture(scope="module")
def wanted(answers: Answers, declared: Declared) -> list[str]:
    """The rules that the host must have, in their order."""
    programs = {*answers(SETUID).split(), *declared["hardening_setuid_programs"]}
    watches = [f"-w {w['path']} -p {w['access']} -k {w['key']}" for w in declared["audit_watches"]]
    return [*map(privileged, sorted(programs)), *watches, *rules_of(STATIC)]


@pytest.fixture
def state(answers: Answers) -> Mapping[str, str]:
    """What the kernel says of its audit."""
    lines = [line.split(maxsplit=1) for line in answers("auditctl -s").splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def compare(found: list[str], wanted: list[str], where: str) -> None:
    """One sentence on the first difference; the order counts, for the first match decides."""
    missing = [rule for rule in wanted if rule not in found]
    assert not missing, f"{where}: {len(missing)} rules are missing, such as `{missing[0]}`"
    more = [rule for rule in found if rule not in wanted]
    assert not more, f"{where}: nobody declared `{more[0]}`"
    assert found == wanted, f"{where}: the rules stand in another order"


@pytest.mark.pas("1.1.1", "8.1.1")
def test_rules_of_the_next_boot(answers: Answers, wanted: list[str]) -> None:
    """The next boot loads all rules, in order, and no others."""
    text = answers("cd /etc/audit/rules.d && cat $(ls -1v . | grep '\\.rules$')")
    compare(rules_of(text), wanted, "/etc/audit/rules.d")


@pytest.mark.pas("1.1.1", "8.1.1")
def test_the_next_boot_locks_the_rules(answers: Answers, declared: Declared) -> None:
    """The next boot sizes the backlog, and locks the rules when all of them are loaded."""
    lines = answers("cat /etc/audit/rules.d/*.rules").splitlines()
    options = [line.strip() for line in lines if line.startswith("-") and not rules_of(line)]
    assert sorted(options) == sorted(
        [
            "-D",
            f"-b {declared['audit_backlog']}",
            f"--backlog_wait_time {declared['audit_backlog_wait_time']}",
            f"-f {FAILURE[declared['audit_failure']]}",
            "--loginuid-immutable",
            "-e 2",
        ]
    ), ", ".join(options)


@pytest.mark.pas("1.1.1", "8.1.1")
@pytest.mark.needs_full_kernel
def test_rules_are_in_force(answers: Answers, wanted: list[str]) -> None:
    """The kernel records by all rules, in order, and by no others."""
    pending = answers("cat /run/reboot-required.pkgs 2>/dev/null || true")
    where = "in force"
    if "pas-infra: audit rules" in pending:
        where += " until the restart that is waited for"
    compare(rules_of(answers("auditctl -l")), wanted, where)


@pytest.mark.pas("1.1.1", "8.1.1")
@pytest.mark.needs_full_kernel
def test_rules_are_locked(state: Mapping[str, str]) -> None:
    """Nobody, root neither, changes what is recorded, or its login identity, before a restart."""
    assert state["enabled"] == "2", f"the audit's state is {state['enabled']}, not locked (2)"
    assert state["loginuid_immutable"] == "1 locked", "login identities can be changed"


@pytest.mark.pas("8.1.1")
@pytest.mark.needs_full_kernel
def test_no_event_is_lost(
    answers: Answers,
    state: Mapping[str, str],
    declared: Declared,
    record_property: Callable[[str, object], None],
) -> None:
    """The kernel has lost no event since its start, and has room for a burst."""
    said = {name: state[name] for name in ("failure", "backlog_limit", "backlog_wait_time")}
    assert said == {
        "failure": FAILURE[declared["audit_failure"]],
        "backlog_limit": str(declared["audit_backlog"]),
        "backlog_wait_time": str(declared["audit_backlog_wait_time"]),
    }, " ".join(f"{name} {value}" for name, value in said.items())
    assert state["lost"] == "0", f"{state['lost']} events were lost since the start"
    # Those that the daemon was too slow to take: the kernel does not count them.
    late = answers(
        "journalctl -b -q --no-pager -u auditd.service -g 'Error receiving audit netlink' | wc -l"
    ).strip()
    assert late == "0", f"the daemon missed events {late} times since the start"
    record_property("says", f"{state['backlog']} of {state['backlog_limit']} records wait")


@pytest.mark.pas("8.1.1")
@pytest.mark.needs_full_kernel
def test_daemon_runs_and_starts_at_boot(answers: Answers, state: Mapping[str, str]) -> None:
    """The audit daemon runs, is the one that the kernel speaks to, and starts at boot."""
    enabled = answers("systemctl is-enabled auditd.service audit-rules.service || true").split()
    assert enabled == ["enabled", "enabled"], f"at boot: {' '.join(enabled)}"
    pid = answers("systemctl show -P MainPID auditd.service").strip()
    assert pid != "0", "auditd does not run"
    assert state["pid"] == pid, f"the kernel speaks to process {state['pid']}, auditd is {pid}"
    pending = answers("systemctl show -P NeedDaemonReload auditd.service").strip()
    assert pending == "no", "its unit was changed, which takes effect at the next start"


@pytest.mark.pas("8.1.1")
@pytest.mark.needs_full_kernel
def test_daemon_runs_with_its_file(answers: Answers) -> None:
    """What auditd runs with is what its file says: it was not changed since the start."""
    start = "$(systemctl show -P ActiveEnterTimestamp --timestamp=us+utc auditd.service)"
    newer = answers(f'find {CONFIGURATION} -newerct "{start} {LAG}"').split()
    assert not newer, f"changed since: {', '.join(newer)}"


@pytest.mark.pas("8.1.1")
def test_log_is_bounded_and_never_stops(answers: Answers, declared: Declared) -> None:
    """The log cannot fill the disk, and a disk that fills neither stops the server nor the log."""
    lines = [line.split("=", 1) for line in answers(f"cat {CONFIGURATION}").splitlines()
             if "=" in line and not line.startswith("#")]  # fmt: skip
    settings = {name.strip().lower(): value.strip() for name, value in lines}
    full = declared["audit_no_space_action"].upper()
    wanted = {
        "write_logs": "yes",
        "log_file": f"{LOG}/audit.log",
        "max_log_file": str(declared["audit_log_size_mb"]),
        "num_logs": str(declared["audit_log_files"]),
        "max_log_file_action": "ROTATE",
        "space_left_action": "SYSLOG",
        "admin_space_left_action": full,
        "disk_full_action": full,
        "disk_error_action": "SYSLOG" if full == "ROTATE" else full,
    }
    differing = [f"{k} = {settings.get(k)}" for k, v in wanted.items() if settings.get(k) != v]
    assert not differing, ", ".join(differing)


@pytest.mark.pas("8.1.1")
def test_log_is_private(answers: Answers) -> None:
    """Root writes the log; the group adm may read it, and nobody else."""
    # On a volume of its own there is what fsck keeps for root.
    listed = answers(
        f"find {LOG} -path {LOG}/lost+found -prune -o -printf '%p %u %g %m\\n'"
    ).splitlines()
    allowed = {"root adm 750", "root adm 640", "root adm 440", "root root 600", "root root 400"}
    loose = [line for line in listed if line.split(maxsplit=1)[1] not in allowed]
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1", "8.1.1")
@pytest.mark.needs_full_kernel
def test_an_event_reaches_the_log(answers: Answers) -> None:
    """What is done now stands in the log at once, and the reports show it."""
    # Nobody may read this file; a service that tries is what the rule is for.
    done = answers(
        "before=$(ausearch --input-logs -k access -ts recent --format raw 2>/dev/null | wc -l); "
        "setpriv --reuid=65534 --regid=65534 --clear-groups cat /etc/shadow 2>/dev/null; sleep 2; "
        "after=$(ausearch --input-logs -k access -ts recent --format raw 2>/dev/null | wc -l); "
        "echo $before $after"
    ).split()
    assert int(done[1]) > int(done[0]), "a refused access to /etc/shadow left no trace"
    report = answers("aureport --input-logs --key --summary -ts recent")
    assert re.search(r"^\d+ +access$", report, re.MULTILINE), "aureport does not know of it"


@pytest.mark.pas("8.1.1")
def test_units_are_those_of_the_package(answers: Answers) -> None:
    """Nothing changes how the daemon is started and the rules are loaded."""
    overrides = answers(
        "find /etc/systemd/system /run/systemd/system -mindepth 1 -maxdepth 2 "
        r"\( -name auditd.service -o -name audit-rules.service -o -path '*/auditd.service.d/*' "
        r"-o -path '*/audit-rules.service.d/*' \) ! -path '*.wants/*'"
    ).split()
    assert not overrides, ", ".join(overrides)


@pytest.mark.pas("8.1.1")
def test_failed_logins_are_counted_in_sight(answers: Answers) -> None:
    """The directory of failed logins exists before the rules that watch it are loaded."""
    planned = answers("systemd-tmpfiles --cat-config | grep -E '^d +/run/faillock ' || true")
    assert planned, "nothing makes /run/faillock at boot"
    answers("test -d /run/faillock")
