"""Checks of role updates: whether security updates install themselves, when, and take effect."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from conftest import Answers
from declared import Declared

DAY = timedelta(days=1)
TIMERS = {"apt-daily": "update", "apt-daily-upgrade": "install"}
Says = Callable[[str, object], None]

# What Debian-Security offers of an installed package and the host has not: pins and holds hide it
# from apt's own list of upgrades, so every version is looked at. Of each, the file of its list.
PENDING = """python3 - <<'end'
import apt_pkg
apt_pkg.init()
cache = apt_pkg.Cache(None)
sources = apt_pkg.SourceList()
sources.read_main_list()
for package in cache.packages:
    here = package.current_ver
    for version in package.version_list if here else ():
        if apt_pkg.version_compare(version.ver_str, here.ver_str) > 0:
            for file, _ in version.file_list:
                if file.origin == "Debian" and file.label == "Debian-Security":
                    print(package.name, version.ver_str, file.filename, sep="|")
end"""

NEEDRESTART = r"""perl -e '
our %nrconf = (restart => "", override_rc => {});
eval do { local(@ARGV, $/) = "/etc/needrestart/needrestart.conf"; <> }; die $@ if $@;
print "$nrconf{restart}\n";
print "$_\n" for grep { !$nrconf{override_rc}{$_} } sort keys %{$nrconf{override_rc}};
'"""


@pytest.fixture(scope="module")
def settings(answers: Answers) -> dict[str, list[str]]:
    """What apt does, whichever of its files says so: values by name."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'^(\S+) "(.*)";$', answers("apt-config dump"), re.MULTILINE):
        found.setdefault(name.removesuffix("::"), []).append(value)
    return found


@pytest.fixture(scope="module")
def now(answers: Answers) -> datetime:
    return when(answers("date +%s"))


def when(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(float(seconds)), UTC)


def written(answers: Answers, file: str, time: str = "%Y") -> datetime | None:
    """When a file was written; None when there is none."""
    seconds = answers(f"stat -c {time} {file} 2> /dev/null || true").strip()
    return when(seconds) if seconds else None


@pytest.mark.pas("1.1.1", "7.6.2")
def test_timers_fetch_and_install_upgrades(
    answers: Answers, settings: dict[str, list[str]]
) -> None:
    """Lists are fetched and upgrades installed by timers that run now and after a reboot."""
    for unit, verb in TIMERS.items():
        shown = answers(
            f"systemctl show -p ActiveState,UnitFileState,NeedDaemonReload {unit}.timer"
        )
        assert set(shown.split()) == {
            "ActiveState=active", "UnitFileState=enabled", "NeedDaemonReload=no"
        }, f"{unit}.timer: {' '.join(shown.split())}"  # fmt: skip
        service = answers(f"systemctl show -p LoadState,ExecStart,Environment {unit}.service")
        assert f"argv[]=/usr/lib/apt/apt.systemd.daily {verb} ;" in service, (
            f"{unit}.service does something else: {' '.join(service.split())[:200]}"
        )
        assert "APT_CONFIG" not in service, f"{unit}.service reads settings of its own"
    periodic = {
        name: settings.get(f"APT::Periodic::{name}", [""])[-1]
        for name in ("Enable", "Update-Package-Lists", "Unattended-Upgrade")
    }
    off = [name for name, value in periodic.items() if value in ("", "0")]
    assert not off, f"switched off: {', '.join(off)}"


@pytest.mark.pas("1.1.1", "7.6.2")
def test_upgrades_are_those_declared(settings: dict[str, list[str]], declared: Declared) -> None:
    """What installs itself is what is declared, security updates among it."""
    prefix = "Unattended-Upgrade::"
    origins = [
        value
        for name in ("Origins-Pattern", "Allowed-Origins")
        for value in settings.get(prefix + name, [])
        if value
    ]
    assert origins == declared["updates_origins"], f"upgraded from {', '.join(origins)}"
    assert any("Debian-Security" in origin for origin in origins), "security is not among it"
    held = [value for value in settings.get(f"{prefix}Package-Blacklist", []) if value]
    assert held == declared["updates_held_back"], f"held back: {', '.join(held)}"
    only = [value for value in settings.get(f"{prefix}Package-Whitelist", []) if value]
    assert not only, f"nothing but {', '.join(only)} is upgraded"
    days = [value for value in settings.get(f"{prefix}Update-Days", []) if value]
    assert not days, f"only on {', '.join(days)}"


@pytest.mark.pas("1.1.1", "7.6.2")
def test_unattended_upgrade_runs(answers: Answers, record_property: Says) -> None:
    """An unattended upgrade, tried without installing anything, runs to its end."""
    # Even a dry run writes down when it ran, as if it had been a real one: not on the host's disk.
    said = answers(
        "unshare --mount sh -c 'mount -t tmpfs tmpfs /var/lib/apt/periodic &&"
        " exec unattended-upgrade --dry-run --verbose' 2>&1"
    )
    assert "Allowed origins are: origin=Debian" in said, said[-300:]
    named = re.search(r"^Packages that will be upgraded: *(.*)$", said, re.MULTILINE)
    if named:
        record_property("says", f"would now upgrade {named[1]}")
    else:
        assert "No packages found that can be upgraded unattended" in said, said[-300:]
        record_property("says", "every package is at the newest version that its lists offer")


@pytest.mark.pas("1.1.1", "7.6.2")
def test_upgrades_fall_into_the_window(answers: Answers, declared: Declared) -> None:
    """The next unattended upgrade begins within the maintenance window."""
    shown = answers("systemctl show -P NextElapseUSecRealtime apt-daily-upgrade.timer").split()
    assert len(shown) == 4, "no upgrade is due"
    begins = timedelta_of(shown[2])
    late = (begins - timedelta_of(declared["updates_window_start"])) % DAY
    window = timedelta(minutes=declared["updates_window_minutes"])
    assert late <= window, (
        f"it begins at {shown[2]}, the window at {declared['updates_window_start']} "
        f"for {declared['updates_window_minutes']} minutes"
    )
    missed = answers("systemctl show -P Persistent apt-daily-upgrade.timer").strip()
    assert missed == "no", "a window that was missed is made up for at any time"


def timedelta_of(clock: str) -> timedelta:
    hours, minutes, *seconds = map(int, clock.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds[0] if seconds else 0)


@pytest.mark.pas("1.1.1", "7.6.2")
def test_package_lists_are_fresh(
    answers: Answers, now: datetime, declared: Declared, record_property: Says
) -> None:
    """The package lists were fetched within the declared delay."""
    # The timer leaves a stamp; whoever else fetches lists changes their directory.
    stamps = [
        written(answers, file)
        for file in ("/var/lib/apt/periodic/update-stamp", "/var/lib/apt/lists")
    ]
    age = now - max(stamp for stamp in stamps if stamp)
    limit = timedelta(hours=declared["updates_delay_hours"])
    record_property("says", f"fetched {hours(age)} ago")
    assert age <= limit, f"fetched {hours(age)} ago, at most {hours(limit)} are declared"


@pytest.mark.pas("1.1.1", "7.6.2")
def test_last_unattended_upgrade_is_recent(
    answers: Answers, now: datetime, declared: Declared, record_property: Says
) -> None:
    """The last unattended upgrade that ended well lies within the declared delay."""
    limit = timedelta(hours=declared["updates_delay_hours"])
    last = written(answers, "/var/lib/apt/periodic/upgrade-stamp")
    if last:
        record_property("says", f"ran {hours(now - last)} ago")
        assert now - last <= limit, f"ran {hours(now - last)} ago, {hours(limit)} are declared"
        return
    since = written(answers, "/etc/systemd/system/apt-daily-upgrade.timer.d/pas-infra.conf")
    assert since, "it never ran, and nothing says when it will"
    assert now - since <= limit, f"it never ran, though it was set up {hours(now - since)} ago"
    record_property("says", f"not run yet: set up {hours(now - since)} ago")


@pytest.mark.pas("1.1.1", "7.6.2")
def test_no_security_update_is_overdue(
    answers: Answers, now: datetime, declared: Declared, record_property: Says
) -> None:
    """No security update waits longer than declared, nor did the last run leave one out."""
    limit = timedelta(hours=declared["updates_delay_hours"])
    ran = written(answers, "/var/lib/apt/periodic/upgrade-stamp")
    pending = [line.split("|") for line in answers(PENDING).splitlines()]
    for package, version, file in pending:
        # Lists do not say when a version appeared: at the latest when the archive last changed
        # them (mtime), and the host has known it since it fetched them (ctime).
        published, known = written(answers, file), written(answers, file, "%Z")
        assert published, f"{file} is gone"
        assert known, f"{file} is gone"
        assert now - published <= limit, (
            f"{package} {version} has been offered for {hours(now - published)} or longer"
        )
        assert not ran or ran <= known, f"{package} {version}: the last unattended run left it"
    names = ", ".join(sorted({package for package, *_ in pending}))
    record_property("says", f"waiting for the next run: {names}" if names else "none is pending")


def hours(time: timedelta) -> str:
    return f"{time / timedelta(hours=1):.0f} hours"


@pytest.mark.pas("1.1.1")
def test_reboots_are_those_declared(settings: dict[str, list[str]], declared: Declared) -> None:
    """The host reboots by itself only if that is declared."""
    value = settings.get("Unattended-Upgrade::Automatic-Reboot", ["false"])[-1].lower()
    reboots = value in ("true", "yes", "1", "on", "with", "enable")
    assert reboots == declared["updates_reboot"], f"Automatic-Reboot is {value}"


@pytest.mark.pas("1.1.1", "7.6.2")
def test_no_reboot_is_overdue(
    answers: Answers, now: datetime, declared: Declared, record_property: Says
) -> None:
    """A reboot that an upgrade asked for is not put off longer than declared."""
    asked = written(answers, "/run/reboot-required")
    if asked is None:
        record_property("says", "none is pending")
        return
    by = ", ".join(
        sorted(set(answers("cat /run/reboot-required.pkgs 2> /dev/null || true").split()))
    )
    pending = f"a reboot is pending since {asked:%Y-%m-%d}{f' for {by}' if by else ''}"
    record_property("says", pending)
    assert now - asked <= declared["updates_reboot_delay_days"] * DAY, pending


@pytest.mark.pas("1.1.1", "7.6.2")
@pytest.mark.needs_full_kernel
def test_running_kernel_is_the_newest(
    answers: Answers, now: datetime, declared: Declared, record_property: Says
) -> None:
    """The host does not run an older kernel than the one it would boot, longer than declared."""
    newest = answers("ls /boot/vmlinuz-* | sort -V | tail -n 1").strip()
    running = answers("uname -r").strip()
    version = newest.removeprefix("/boot/vmlinuz-")
    if version == running:
        record_property("says", f"{running} runs and is the newest")
        return
    installed = written(answers, newest)
    assert installed, f"{newest} is gone"
    pending = f"{running} runs, {version} is installed since {installed:%Y-%m-%d}"
    record_property("says", pending)
    assert now - installed <= declared["updates_reboot_delay_days"] * DAY, pending


@pytest.mark.pas("1.1.1", "7.6.2")
def test_services_are_restarted_by_themselves(answers: Answers, declared: Declared) -> None:
    """After an upgrade services restart by themselves, but for those that are declared."""
    mode, *spared = answers(NEEDRESTART).splitlines()
    assert mode == "a", f"needrestart's mode is `{mode or 'its default'}`"
    changed = answers("dpkg --verify needrestart || true")
    assert "needrestart.conf" not in changed, (
        "Debian's own /etc/needrestart/needrestart.conf differs"
    )
    debians = answers(
        r"sed -n 's/^ *qr(\(.*\)) => 0,$/(?^:\1)/p' /etc/needrestart/needrestart.conf"
    ).splitlines()
    more = set(spared) - set(debians) - set(declared["updates_not_restarted"])
    assert not more, f"not restarted, though nobody declared so: {', '.join(sorted(more))}"


@pytest.mark.pas("1.1.1", "7.6.2")
def test_services_run_with_what_is_installed(answers: Answers, declared: Declared) -> None:
    """No service runs with a library or program that an upgrade has replaced."""
    lines = answers("needrestart -b -r l").splitlines()
    assert any(line.startswith("NEEDRESTART-VER:") for line in lines), "needrestart says nothing"
    stale = [line.split(": ", 1)[1] for line in lines if line.startswith("NEEDRESTART-SVC:")]
    left = [s for s in stale if not any(re.search(u, s) for u in declared["updates_not_restarted"])]
    assert not left, f"still run with replaced files: {', '.join(left)}"
