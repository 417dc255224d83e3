"""Checks of role hardening: what runs, what listens, what is sandboxed, what is logged."""

import pytest
import yaml
from conftest import LAG, Answers
from declared import ROLES, Declared

LOOPBACK = ("127.", "[::1]", "[::ffff:127.")
TABLE = yaml.safe_load((ROLES / "hardening/vars/main/system.yml").read_text("utf-8"))
JOURNALD = "systemd-journald.service"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R23", "R62", "R63")
def test_unneeded_units_never_start(answers: Answers, active: frozenset[str]) -> None:
    """Reboot by three keys, sleep and the root shell of the debugger are out of reach.

    At level high the mount by which programs bring their own interpreter is, too.
    """
    units = [e["unit"] for e in TABLE["__hardening_masked_units"] if e["recommendation"] in active]
    shown = answers(f"systemctl show -p LoadState,ActiveState {' '.join(units)}").split("\n\n")
    states = [dict(line.split("=", 1) for line in unit.split()) for unit in shown]
    # By the name that was asked for: one that is an alias, once loose, calls itself the other.
    loose = [
        unit
        for unit, u in zip(units, states, strict=True)
        if (u["LoadState"], u["ActiveState"]) != ("masked", "inactive")
    ]
    assert not loose, f"can start, or runs: {', '.join(loose)}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R63")
def test_three_keys_do_nothing(answers: Answers) -> None:
    """Ctrl-Alt-Del, pressed again and again, does not reboot the host."""
    setting = answers(
        "busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 "
        "org.freedesktop.systemd1.Manager CtrlAltDelBurstAction"
    ).strip()
    assert setting == 's "none"', f"CtrlAltDelBurstAction is {setting}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R63")
def test_rescue_shells_ask_for_a_password(answers: Answers) -> None:
    """The shells of a failed boot open to nobody who does not know root's password."""
    environment = answers(
        "systemctl show -p Environment,ExecStart emergency.service rescue.service"
    )
    assert "SYSTEMD_SULOGIN_FORCE" not in environment, "they open without a password"
    assert environment.count("argv[]=/usr/lib/systemd/systemd-sulogin-shell") == 2, (
        "they start something else than sulogin"
    )


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R80")
def test_listeners_are_declared(answers: Answers, declared: Declared) -> None:
    """What can be reached from outside is what is declared, by port and by process."""
    listening = set()
    for line in answers("ss -H -l -n -t -u -p").splitlines():
        protocol, _, _, _, local = line.split()[:5]
        if not local.startswith(LOOPBACK):
            process = line.partition('(("')[2].partition('"')[0] or "?"
            listening.add(f"{protocol}/{local.rpartition(':')[2]}/{process}")
    assert listening, "nothing listens, not even sshd"
    undeclared = listening - set(declared["hardening_listeners"])
    assert not undeclared, f"undeclared: {', '.join(sorted(undeclared))}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R75")
def test_mail_to_root_reaches_somebody(answers: Answers, declared: Declared) -> None:
    """Mail to root, and to what mail servers write to, goes to the declared address."""
    wanted = declared["hardening_mail_aliases"]
    assert "root" in wanted, "hardening_mail_aliases declares nobody for root"
    names = ["root", "postmaster", "mailer-daemon", *wanted]
    # It fails when one of several names is not there; which one is said below.
    found = answers(f"getent aliases {' '.join(names)} || true").splitlines()
    goes = {line.partition(":")[0]: line.partition(":")[2].strip() for line in found}
    expected = {"postmaster": "root", "mailer-daemon": "root", **wanted}
    lost = [f"{name} to {goes.get(name, 'nobody')}" for name in expected
            if goes.get(name) != expected[name]]  # fmt: skip
    assert not lost, f"mail goes elsewhere: {', '.join(sorted(lost))}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R69")
def test_accounts_are_local(answers: Answers) -> None:
    """Users and groups are asked of no other machine."""
    lines = [line.split("#")[0] for line in answers("cat /etc/nsswitch.conf").splitlines()]
    asked = {line.partition(":")[0].strip(): line.partition(":")[2].split() for line in lines}
    databases = ("passwd", "group", "shadow", "gshadow", "netgroup")
    remote = [name for name in databases if set(asked.get(name, ["files"])) - {"files", "systemd"}]
    assert not remote, ", ".join(f"{name}: {' '.join(asked[name])}" for name in remote)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R36", "R55", "R64", "R65")
def test_services_are_sandboxed(
    answers: Answers, declared: Declared, active: frozenset[str]
) -> None:
    """The services that stay have no more rights than they need."""
    units = declared["hardening_sandboxed_units"]
    listed = answers(f"systemctl list-unit-files --no-legend --plain {' '.join(units)} || true")
    there = [line.split()[0] for line in listed.splitlines()]
    assert there, "none of the units to sandbox is installed"
    loose = []
    for unit in there:
        wanted = {
            entry["setting"]: units[unit].get(entry["setting"], entry["value"])
            for entry in TABLE["__hardening_sandbox"]
            if entry["recommendation"] in active
        }
        shown = answers(f"systemctl show -p {','.join(wanted)} {unit}").splitlines()
        for name, value in (line.split("=", 1) for line in shown if line):
            if value != str(wanted[name]) and name != "RestrictNamespaces":
                loose.append(f"{unit}: {name}={value}")
        # systemd shows the namespaces that it allows: none.
        restricted = answers(f"systemctl show -P RestrictNamespaces {unit}").strip()
        if wanted.get("RestrictNamespaces") == "yes" and restricted not in ("", "yes"):
            loose.append(f"{unit}: RestrictNamespaces={restricted}")
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R71")
def test_journal_is_kept_and_bounded(answers: Answers, declared: Declared) -> None:
    """The journal outlives a boot, and cannot fill the disk."""
    merged = answers("systemd-analyze cat-config systemd/journald.conf").splitlines()
    settings = dict(line.split("=", 1) for line in merged if "=" in line and line[0] != "#")
    wanted = {
        "Storage": "persistent",
        "SystemMaxUse": declared["hardening_journal_size"],
        "SystemKeepFree": declared["hardening_journal_free"],
        "MaxRetentionSec": declared["hardening_journal_retention"],
    }
    differing = [f"{k}={settings.get(k)}" for k, v in wanted.items() if settings.get(k) != v]
    assert not differing, ", ".join(differing)
    answers("test -e /var/log/journal/$(cat /etc/machine-id)/system.journal")


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R71")
def test_journald_runs_with_its_files(answers: Answers) -> None:
    """What journald keeps to is what its files say: none was changed since it started."""
    start = f"$(systemctl show -P ActiveEnterTimestamp --timestamp=us+utc {JOURNALD})"
    newer = answers(
        "find /etc/systemd/journald.conf /etc/systemd/journald.conf.d /run/systemd/journald.conf.d "
        f'-newerct "{start} {LAG}" 2>/dev/null || true'
    ).split()
    assert not newer, f"changed since: {', '.join(newer)}"
