"""Checks of role time: whether the clock that the logs rely on is right, and why."""

import csv
from collections.abc import Mapping

import pytest
from conftest import LAG, Answers

# ANSSI PA-012: logs of several hosts are comparable to the second.
LARGEST_OFFSET = 1.0  # seconds

CONFIGURATION = "/etc/chrony/pas-infra.conf"
DAEMONS = {"chronyd", "ntpd", "ntpsec", "openntpd", "systemd-timesyn", "sntp"}  # as ps cuts them
PORT = "123"  # where chrony answers others; every other port that it opens is for commands

TRACKING = ("id", "name", "stratum", "time", "offset", "last", "rms", "frequency", "residual",
            "skew", "delay", "dispersion", "interval", "leap")  # fmt: skip


@pytest.fixture(scope="module")
def tracking(answers: Answers) -> Mapping[str, str]:
    """What chrony says of its own state."""
    row = next(csv.reader([answers("chronyc -n -c tracking").strip()]))
    return dict(zip(TRACKING, row, strict=True))


@pytest.mark.pas("8.1.1")
def test_daemon_runs_and_starts_at_boot(answers: Answers) -> None:
    """The time service runs and starts at boot."""
    shown = answers("systemctl show -p ActiveState,UnitFileState chrony.service").split()
    assert set(shown) == {"ActiveState=active", "UnitFileState=enabled"}, " ".join(shown)
    pending = answers("systemctl show -P NeedDaemonReload chrony.service").strip()
    assert pending == "no", "its unit was changed, which takes effect at the next start"


@pytest.mark.pas("8.1.1")
def test_daemon_runs_with_its_files(answers: Answers) -> None:
    """What chrony runs with is what its files say: its own, and not changed since it started."""
    pid = answers("systemctl show -P MainPID chrony.service").strip()
    command = answers(f"tr '\\0' ' ' < /proc/{pid}/cmdline").split()
    program = answers(f"readlink /proc/{pid}/exe").strip()
    assert program == "/usr/sbin/chronyd", f"{program} runs"
    assert command[-2:] == ["-f", CONFIGURATION], " ".join(command)
    # The kernel's time of a change (ctime): who changes a file back cannot set it back.
    start = "$(systemctl show -P ActiveEnterTimestamp --timestamp=us+utc chrony.service)"
    newer = answers(
        f'find {CONFIGURATION} /etc/systemd/system/chrony.service.d -newerct "{start} {LAG}"'
    ).split()
    assert not newer, f"changed since: {', '.join(newer)}"


@pytest.mark.pas("8.1.1")
def test_sources_are_those_of_its_file(answers: Answers) -> None:
    """Nobody gave the running daemon a source that its file does not name, or took one away."""
    declared = [
        line.split()[1]
        for line in answers(f"cat {CONFIGURATION}").splitlines()
        if line.startswith(("server ", "pool ", "peer "))
    ]
    followed = [row[2] for row in csv.reader(answers("chronyc -N -c sources -a").splitlines())]
    assert sorted(followed) == sorted(declared), f"it follows {', '.join(followed) or 'none'}"


@pytest.mark.pas("8.1.1")
def test_clock_follows_a_source(tracking: Mapping[str, str]) -> None:
    """The clock is compared with another one, not only with itself."""
    assert tracking["leap"] != "Not synchronised", "the clock is not synchronised"
    # 7F7F0101 is 127.127.1.1, the local reference of a host that serves its own clock.
    assert tracking["id"] != "7F7F0101", "the host follows its own clock"


@pytest.mark.pas("8.1.1")
def test_clock_is_right(tracking: Mapping[str, str]) -> None:
    """The clock is within a second of its sources."""
    assert tracking["leap"] != "Not synchronised", "the clock is not synchronised"
    offset = abs(float(tracking["offset"]))
    assert offset <= LARGEST_OFFSET, f"off by {offset:.3f} s"


@pytest.mark.pas("8.1.1")
def test_sources_are_authenticated(answers: Answers) -> None:
    """Every source proves who it is, by NTS or a shared key."""
    rows = list(csv.reader(answers("chronyc -n -c authdata").splitlines()))
    assert rows, "there is no source"
    open_ones = [row[0] for row in rows if row[1] not in ("NTS", "SK")]
    assert not open_ones, f"not authenticated: {', '.join(open_ones)}"


@pytest.mark.pas("8.1.1")
def test_one_daemon_only(answers: Answers) -> None:
    """No second daemon sets the clock."""
    running = [line.split()[:2] for line in answers("ps -e -o unit=,comm=").splitlines()]
    others = [f"{name} ({unit})" for unit, name in running
              if name in DAEMONS and unit != "chrony.service"]  # fmt: skip
    assert not others, f"there is {', '.join(others)}"


@pytest.mark.pas("8.1.1")
def test_nobody_commands_the_daemon_from_outside(answers: Answers) -> None:
    """Chrony's command port is closed; root speaks to it over its socket."""
    lines = [line for line in answers("ss -H -l -n -u -p").splitlines() if '("chronyd"' in line]
    commanded = [line.split()[3] for line in lines if line.split()[3].rpartition(":")[2] != PORT]
    assert not commanded, f"listening on {', '.join(commanded)}"


@pytest.mark.pas("8.1.1")
def test_time_zone_is_utc(answers: Answers) -> None:
    """Logs are written in UTC, so that those of several hosts compare."""
    zone = answers("date '+%Z %z'").strip()
    assert zone == "UTC +0000", f"the zone is {zone}"
