"""Checks of role clients: what a client's service reaches of another, tried as such a service."""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from conftest import Answers
from declared import Declared
from hashes import passwd, shadow

Client = Mapping[str, Any]
MEBI = 2**20
# Something of the host's to see, were it visible, and a process of the other's to reach.
NEIGHBOUR = """
set -eu
systemd-run --quiet --collect --unit={neighbour} sleep 60
trap 'systemctl stop {neighbour}; rm -f /tmp/pas-probe /dev/shm/pas-probe' EXIT
touch /tmp/pas-probe /dev/shm/pas-probe
pid=$(systemctl show --property MainPID --value {neighbour})
systemd-run --quiet --wait --pipe --collect --unit={probe} --setenv=NEIGHBOUR="$pid" sh -c {script}
"""
# Run as a service of the client; a line for whatever it can do and should not.
PROBE = r"""
[ "$(id -un)" = cli-NAME ] || echo "runs as $(id -un)"
[ "$(id -Gn)" = cli-NAME ] || echo "is in the groups $(id -Gn)"
for place in /srv/clients/* /srv/clients/OTHER; do
    [ ! -e "$place" ] || [ "$place" = /srv/clients/NAME ] || echo "sees $place"
done
ls /srv/clients/OTHER > /dev/null 2>&1 && echo "lists the directory of OTHER"
(: > /srv/clients/pas-probe) 2> /dev/null && echo "writes to /srv/clients"
for place in /etc /usr /var/lib /root /home; do
    (: > "$place/pas-probe") 2> /dev/null && echo "writes to $place"
done
[ ! -e /tmp/pas-probe ] || echo "sees the host's /tmp"
[ ! -e /dev/shm/pas-probe ] || echo "sees the host's /dev/shm"
[ ! -S /run/dbus/system_bus_socket ] || echo "reaches the system's bus"
ls /sys/fs/cgroup/*.slice > /dev/null 2>&1 && echo "sees the slices of others"
stat -c %U /proc/[0-9]* 2> /dev/null | sort -u | grep -vx cli-NAME | sed 's/^/sees processes of /'
kill -0 "$NEIGHBOUR" 2> /dev/null && echo "reaches a process of OTHER"
grep -q '^NoNewPrivs:[[:space:]]*1$' /proc/self/status || echo "may gain privileges"
grep -q '^CapBnd:[[:space:]]*0*$' /proc/self/status || echo "may have capabilities"
grep -q '/clients-NAME.slice/' /proc/self/cgroup || echo "runs outside of its slice"
echo looked
"""
# Once it is closed, no service of the client starts at all.
TRY = "timeout 60 systemd-run --quiet --wait --pipe --collect --unit={probe} sh -c 'echo ran' || :"
# Open or closed: of what is open the device mapper knows, of the others the volume manager.
VOLUMES = """
ls /dev/mapper | sed -n 's/^client_//p'
! command -v lvs > /dev/null || lvs --noheadings --options lv_name | sed -n 's/^ *client_//p'
ls /etc/systemd/system | sed -n 's/^srv-clients-\\(.*\\)[.]mount$/\\1/p'
"""
LIMITS = {"MemoryMax": "memory_mb", "TasksMax": "tasks", "CPUQuotaPerSecUSec": "cpu_percent"}


@pytest.fixture
def clients(
    declared: Declared, record_property: Callable[[str, object], None]
) -> tuple[Client, ...]:
    """The clients of the host; where there is none, nobody is to be kept apart."""
    if not declared.clients:
        record_property("says", "no client's data lies here")
    return declared.clients


@pytest.fixture
def opened(answers: Answers, clients: tuple[Client, ...]) -> set[str]:
    """The clients whose data can be reached: whose volume is mounted, in a container all."""
    if answers("systemd-detect-virt --container || :").strip() != "none":
        return {client["name"] for client in clients}
    mounted = answers("findmnt --list --noheadings --output TARGET").splitlines()
    return {client["name"] for client in clients if f"/srv/clients/{client['name']}" in mounted}


@pytest.mark.pas("5.7.1")
def test_a_service_reaches_its_client_only(
    answers: Answers, clients: tuple[Client, ...], opened: set[str]
) -> None:
    """A service of each client sees no data, file, process or memory of another or of the host."""
    names = sorted(opened)
    faults = []
    for index, name in enumerate(names):
        # The only client is kept apart from the host itself.
        other = names[index - 1] if len(names) > 1 else "nobody"
        neighbour = f"client-{other}-neighbour" if len(names) > 1 else "pas-infra-neighbour"
        script = PROBE.replace("NAME", name).replace("OTHER", other)
        said = answers(
            NEIGHBOUR.format(
                neighbour=f"{neighbour}.service",
                probe=f"client-{name}-probe.service",
                script=shlex.quote(script),
            )
        ).splitlines()
        faults += [f"a service of {name} {line}" for line in said if line != "looked"]
        if "looked" not in said:
            faults.append(f"a service of {name} does not run")
    for name in sorted({client["name"] for client in clients} - opened):
        if "ran" in answers(TRY.format(probe=f"client-{name}-probe.service")):
            faults.append(f"a service of {name} runs without its volume")
    assert not faults, "; ".join(faults)


@pytest.mark.pas("5.7.1")
def test_what_runs_for_a_client_is_held_to_it(
    answers: Answers, clients: tuple[Client, ...]
) -> None:
    """Every service that is there for a client has its box, and its unit names no other client."""
    names = {client["name"] for client in clients}
    units = answers(
        "systemctl list-units --all --plain --no-legend 'client-*.service' "
        "| awk '$2 == \"loaded\" { print $1 }'"
    ).split()
    faults = []
    for unit in units:
        name = unit.split("-")[1]
        if name not in names:
            continue
        shown = answers(
            f"systemctl show {unit} --property=User,Slice,NeedDaemonReload,DropInPaths,"
            "ExecCondition,ExecStartPreEx,ExecStartEx,ExecStartPostEx,ExecStopEx,ExecReloadEx"
        )
        found = dict(line.split("=", 1) for line in shown.splitlines())
        box = f"/etc/systemd/system/client-{name}-.service.d/zz-pas-infra.conf"
        wanted = {
            "runs as another": found["User"] == f"cli-{name}",
            "runs in another slice": found["Slice"] == f"clients-{name}.slice",
            "waits for a reload": found["NeedDaemonReload"] == "no",
            "has no box": found["DropInPaths"].split()[-1:] == [box],
            "has a command with all privileges": not re.search(
                r"flags=[^;]*(privileged|no-setuid)", shown
            ),
        }
        faults += [f"{unit} {fault}" for fault, holds in wanted.items() if not holds]
        text = answers(f"systemctl cat {unit}")
        faults += [
            f"{unit} names what is {other}'s"
            for other in sorted(names - {name})
            if re.search(rf"/srv/clients/{other}\b|client-{other}-|cli-{other}\b", text)
        ]
    assert not faults, "; ".join(faults)


@pytest.mark.pas("5.7.1")
def test_a_client_has_its_share_and_no_more(answers: Answers, clients: tuple[Client, ...]) -> None:
    """Memory, processors and processes of each client's services are limited as declared."""
    faults = []
    for client in clients:
        unit = f"clients-{client['name']}.slice"
        lines = answers(
            f"systemctl show {unit} --property={','.join(LIMITS)},MemorySwapMax"
        ).splitlines()
        found = dict(line.split("=", 1) for line in lines)
        wanted = {
            "MemoryMax": str(client["memory_mb"] * MEBI),
            "MemorySwapMax": "0",
            "TasksMax": str(client["tasks"]),
            "CPUQuotaPerSecUSec": span(client["cpu_percent"]),
        }
        faults += [
            f"{unit} has {name}={found[name]}, not {value}"
            for name, value in wanted.items()
            if found[name] != value
        ]
    assert not faults, "; ".join(faults)


def span(percent: int) -> str:
    """A share of a second as systemd writes it: `500ms`, `1.500s`, `2s`."""
    milliseconds = percent * 10
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    whole, rest = divmod(milliseconds, 1000)
    return f"{whole}.{rest:03d}s" if rest else f"{whole}s"


@pytest.mark.pas("5.7.1")
def test_a_directory_is_its_clients_alone(
    answers: Answers, clients: tuple[Client, ...], opened: set[str]
) -> None:
    """Nobody lists the clients, nor gets into a directory but whose it is."""
    if not clients:
        return  # the place itself comes with the first client
    assert answers("stat --format='%U %a' /srv/clients").split() == ["root", "711"]
    faults = []
    for client in clients:
        place = f"/srv/clients/{client['name']}"
        theirs = client["name"] in opened
        wanted = [f"cli-{client['name']}", "700"] if theirs else ["root", "0"]
        found = answers(f"stat --format='%U %a' {place}").split()
        if found != wanted:
            faults.append(f"{place} is {' '.join(found)}, not {' '.join(wanted)}")
        faults += [
            f"cli-{other['name']} lists {place}"
            for other in clients
            if other is not client
            and answers(
                f"setpriv --reuid=cli-{other['name']} --regid=cli-{other['name']} --clear-groups "
                f"ls {place} > /dev/null 2>&1 && echo yes || :"
            )
        ]
    assert not faults, "; ".join(faults)


@pytest.mark.pas("5.7.1", "6.1.1")
def test_what_is_mounted_is_their_own_volume(
    answers: Answers,
    clients: tuple[Client, ...],
    opened: set[str],
    record_property: Callable[[str, object], None],
) -> None:
    """Where a client's data lies, their own volume is mounted, encrypted under a key of its own."""
    listed = answers("findmnt --list --noheadings --output TARGET,SOURCE,OPTIONS").splitlines()
    mounted = [line.split()[:3] for line in listed if line.startswith("/srv/clients/")]
    if not mounted and answers("systemd-detect-virt --container || :").strip() != "none":
        pytest.skip("needs a full kernel: this host is a container")
    names = {client["name"] for client in clients}
    faults = []
    for place, source, options in mounted:
        name = place.split("/")[3]
        if name not in names:
            faults.append(f"{place} is nobody's")
            continue
        if source != f"/dev/mapper/client_{name}":
            faults.append(f"on {place} is {source}")
            continue
        if missing := {"nodev", "nosuid"} - set(options.split(",")):
            faults.append(f"{source} is mounted without {', '.join(sorted(missing))}")
        # From itself down to what it stands on: its key first, then the volume that it is.
        stack = answers(f"lsblk --inverse --list --noheadings --output NAME,TYPE {source}").split()
        if stack[1] != "crypt" or stack[3] != "lvm" or not stack[2].endswith(f"-client_{name}"):
            faults.append(f"{source} lies on {' '.join(stack[2:4])}")
    if closed := sorted(names - opened):
        record_property("says", f"not open: {', '.join(closed)}")
    assert not faults, "; ".join(faults)


@pytest.mark.pas("5.7.1")
def test_nobody_logs_in_as_a_client(answers: Answers, clients: tuple[Client, ...]) -> None:
    """The account of a client is for services: no password, no shell, no group of others."""
    entries, secrets = passwd(answers), shadow(answers)
    faults = []
    for client in clients:
        account = f"cli-{client['name']}"
        if account not in entries:
            faults.append(f"there is no {account}")
            continue
        if not entries[account][6].endswith("/nologin"):
            faults.append(f"{account} has the shell {entries[account][6]}")
        if not secrets[account][1].startswith(("!", "*")):
            faults.append(f"{account} has a password")
        if (groups := answers(f"id -Gn {account}").split()) != [account]:
            faults.append(f"{account} is in the groups {' '.join(groups)}")
    assert not faults, "; ".join(faults)


@pytest.mark.pas("5.7.1", "13.3.1", "13.3.2")
def test_there_are_the_declared_clients_only(answers: Answers, declared: Declared) -> None:
    """No account, directory, volume, slice or unit is left of a client whom nobody declares."""
    names = {client["name"] for client in declared.clients}
    there = {
        "account": {a.removeprefix("cli-") for a in passwd(answers) if a.startswith("cli-")},
        "directory": set(answers("ls -A /srv/clients 2> /dev/null || :").split()),
        "slice": set(
            answers(
                "cd /etc/systemd/system && ls -d clients-*.slice 2> /dev/null "
                "| sed 's/^clients-//; s/[.]slice$//' || :"
            ).split()
        ),
        "volume": set(answers(VOLUMES).split()),
        "group": set(answers("getent group | sed -n 's/^cli-\\([^:]*\\):.*/\\1/p'").split()),
        "unit": set(
            answers(
                "{ systemctl list-units --all --plain --no-legend 'client-*' | cut -d' ' -f1; "
                "ls /etc/systemd/system; } | sed -n 's/^client-\\([a-z0-9]*\\)[-.].*/\\1/p'"
            ).split()
        ),
    }
    faults = [
        f"a {kind} of {name}, whom nobody declares"
        for kind, found in there.items()
        for name in sorted(found - names)
    ]
    assert not faults, "; ".join(faults)
