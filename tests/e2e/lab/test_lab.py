"""The lab on this very machine: started twice, side by side, killed halfway, refused."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labs import PROGRAM, SUDO, Environment, Lab, links, until

from orchestrator.lab import LabLayout
from orchestrator.paths import project_root

WAN = {"rbx7": ("198.18.0.11", "2001:2::11"), "sysfab": ("198.18.0.12", "2001:2::12")}


def test_second_up_changes_nothing(lab: Lab) -> None:
    def standing() -> tuple[list[str], str, str]:
        # What the lab has started; inside its machines sessions come and go.
        own = ("slirp4netns", "systemd-nspawn")
        processes = [trace for trace in lab.traces() if any(name in trace for name in own)]
        assert len(processes) >= 3
        return processes, _config(lab, "known_hosts"), _config(lab, "ssh_config")

    before, since = standing(), _modified(lab)
    assert "starting" not in lab.do("up", "rbx7", "sysfab").stderr
    assert standing() == before
    assert _modified(lab) == since


@pytest.mark.parametrize("address", WAN["sysfab"])
def test_machines_reach_each_other(lab: Lab, address: str) -> None:
    lab.on("rbx7", f"sudo ping -c 1 -W 5 {address}")


def test_uplink_resolves_and_reaches_the_archive(lab: Lab) -> None:
    """As every role that installs a package needs it."""
    said = lab.on("rbx7", "sudo apt-get -o APT::Update::Error-Mode=any update 2>&1")
    assert "Get:1" in said or "Hit:1" in said, said


def test_machine_with_another_host_key_is_refused_and_reset_makes_it_anew(lab: Lab) -> None:
    keys = _config(lab, "known_hosts")
    lab.on("rbx7", "touch keep")
    lab.on(
        "sysfab",
        "touch gone; sudo sh -c 'rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh'",
    )
    refused = lab.do("ssh", "sysfab", "true", code=255)
    assert "Host key verification failed" in refused.stderr
    pids = lab.running()
    assert set(pids) == {"rbx7"}
    assert "NOT reached" in lab.do("status", code=4).stdout

    layout = LabLayout(lab.name, lab.directory)
    of_disks = [
        *(place("sysfab") for place in (layout.client_keys, layout.escrow, layout.backup_keys)),
        layout.offboarding,
    ]
    stays = [layout.client_keys("rbx7"), layout.escrow("rbx7")]
    for place in (*of_disks, *stays):
        place.mkdir(parents=True, exist_ok=True)
    lab.do("reset", "sysfab")
    assert [place for place in of_disks if place.exists()] == []
    assert [place for place in stays if not place.exists()] == []
    assert lab.running()["rbx7"] == pids["rbx7"]
    assert lab.on("sysfab", "ls") == ""
    assert lab.on("rbx7", "ls") == "keep\n"
    renewed = _config(lab, "known_hosts")
    assert _of(renewed, "rbx7") == _of(keys, "rbx7")
    assert not set(_of(renewed, "sysfab")) & set(_of(keys, "sysfab"))


def test_two_labs_do_not_disturb_each_other(lab: Lab, other: Lab) -> None:
    assert not lab.namespaces() & other.namespaces()
    assert not set(_of(_config(lab, "known_hosts"), "rbx7")) & set(
        _of(_config(other, "known_hosts"), "rbx7")
    )
    assert _config(lab, "id_ed25519.pub") != _config(other, "id_ed25519.pub")
    lab.on("rbx7", "echo one > which")
    other.on("rbx7", "echo two > which")
    pids, had = lab.running(), other.namespaces()
    other.do("down")
    assert other.traces(had) == []
    assert lab.running() == pids
    assert lab.on("rbx7", "cat which") == "one\n"
    other.do("up", "rbx7")
    assert lab.running() == pids
    assert other.on("rbx7", "cat which") == "two\n"


def test_down_leaves_nothing_but_the_disks(lab: Lab) -> None:
    lab.on("rbx7", "sudo sh -c 'echo kept > /etc/kept'; sudo apt-get clean; sync")
    keys, had, before = _config(lab, "known_hosts"), lab.namespaces(), links()
    assert len(had) == 3, "the lab's own and one of each container"
    lab.do("down")
    assert lab.traces(had) == []
    assert links() == before
    refused = lab.do("ssh", "rbx7", "true", code=1)
    assert "is not up" in refused.stderr
    assert lab.do("down").stderr == ""
    lab.do("up", "rbx7")
    assert lab.on("rbx7", "cat /etc/kept") == "kept\n"
    assert _config(lab, "known_hosts") == keys


def test_machine_without_its_supervisor_is_started_anew(lab: Lab) -> None:
    """A container outlives a killed systemd-nspawn: nobody may boot a second one on its disk."""
    pids = lab.running()
    subprocess.run([*SUDO, "kill", "-KILL", str(pids["sysfab"])], check=True)
    assert set(lab.running()) == set(pids) - {"sysfab"}
    lab.do("up", "sysfab")
    assert lab.running()["sysfab"] != pids["sysfab"]

    subprocess.run([*SUDO, "kill", "-KILL", str(lab.running()["sysfab"])], check=True)
    had = lab.namespaces()
    lab.do("down")
    assert lab.traces(had) == []


def _namespace(lab: Lab) -> bool:
    return Path(f"/run/netns/{lab.namespace}").exists()


def _uplink(lab: Lab) -> bool:
    return (lab.directory / "uplink.log").exists()


def _launched(lab: Lab) -> bool:
    return (lab.directory / "machines/rbx7/console.log").exists()


def _booting(lab: Lab) -> bool:
    return (lab.directory / "machines/rbx7/pid").exists()


MOMENTS = {
    "namespace made": _namespace,
    "uplink starting": _uplink,
    "machine launched": _launched,
    "machine booting": _booting,
}


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(reached, id=name, marks=[] if reached is _booting else [pytest.mark.full])
        for name, reached in MOMENTS.items()
    ],
)
@pytest.mark.parametrize("then", [pytest.param("down", marks=pytest.mark.full), "up"])
def test_killed_in_the_middle_of_up(crash: Lab, reached: Callable[[Lab], bool], then: str) -> None:
    _kill_up(crash, lambda: reached(crash))
    if then == "up":
        crash.do("up", "rbx7")
        assert set(crash.running()) == {"rbx7"}
        assert crash.on("rbx7", "hostname") == "rbx7\n"
    had = crash.namespaces()
    crash.do("down")
    assert crash.traces(had) == []


@pytest.mark.full
def test_killed_while_it_builds_an_image(crash: Lab, tmp_path: Path) -> None:
    """No mmdebstrap goes on, and nothing is left that another start would take for an image."""
    cache = tmp_path / "cache"

    def building() -> list[Path]:
        return list(cache.glob("pas-infra/images/server-*/building/root/usr"))

    _kill_up(crash, building, {"XDG_CACHE_HOME": str(cache)})
    until(lambda: not _naming(str(cache)), 5, "mmdebstrap ends")
    crash.do("down", environment={"XDG_CACHE_HOME": str(cache)})
    assert crash.traces() == []
    assert not list(cache.glob("pas-infra/images/server-*/root"))
    # The next start begins the image anew.
    _kill_up(crash, building, {"XDG_CACHE_HOME": str(cache)})
    until(lambda: not _naming(str(cache)), 5, "mmdebstrap ends")
    subprocess.run([*SUDO, "rm", "-rf", cache], check=True)


def test_name_of_a_namespace_that_a_reboot_left_is_no_hindrance(crash: Lab) -> None:
    subprocess.run(
        [*SUDO, "sh", "-c", f"mkdir -p /run/netns; : > /run/netns/{crash.namespace}"], check=True
    )
    crash.do("down")
    crash.do("up", "rbx7")
    assert set(crash.running()) == {"rbx7"}


def test_link_that_a_killed_machine_left_is_no_hindrance(crash: Lab) -> None:
    """The kernel removes it late: a machine that is started at once would find its name taken."""
    crash.do("down")
    namespace = crash.namespace
    for command in (
        ["netns", "add", namespace],
        ["-n", namespace, "link", "add", "vb-rbx7", "type", "veth", "peer", "name", "left"],
    ):
        subprocess.run([*SUDO, "ip", *command], check=True)
    crash.do("up", "rbx7")
    assert crash.on("rbx7", "hostname") == "rbx7\n"


@pytest.mark.full
def test_outsider_has_the_scanners(lab: Lab) -> None:
    lab.do("up", "outsider")
    for tool in ("ssh-audit", "nmap", "testssl", "oscap"):
        assert lab.on("outsider", f"command -v {tool}").endswith(f"/{tool}\n")
    assert "22/tcp open" in lab.on("outsider", f"nmap -p 22 {WAN['rbx7'][0]}")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("up", "mars"), 1, ["no machine", "mars", "rbx7"]),
        (("up", "--backend", "qemu", "sysfab"), 1, ["backend nspawn", "lab reset sysfab"]),
        (("ssh", "mars"), 1, ["no machine", "mars", "lab status"]),
        (("up", "--env", "production"), 1, ["production", "is no lab", "env list"]),
    ],
)
def test_refuses_and_says_what_to_do(
    lab: Lab, arguments: tuple[str, ...], code: int, said: list[str]
) -> None:
    before = lab.running()
    stderr = lab.do(*arguments, code=code).stderr
    assert [word for word in said if word not in stderr] == [], stderr
    assert "Traceback" not in stderr
    assert lab.running() == before


@pytest.mark.parametrize("name", ["", "..", "a/b", "Lab", "-x", "x" * 41])
def test_refuses_a_name_that_cannot_be_one(name: str) -> None:
    stderr = Lab(name).do("up", code=1).stderr
    assert "cannot name a lab" in stderr
    assert "lower-case letters" in stderr


def test_refuses_while_another_command_changes_the_lab(lab: Lab) -> None:
    with (lab.directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for verb in ("up", "down", "reset"):
            stderr = lab.do(verb, code=3).stderr
            assert "another command is changing the lab f-one" in stderr
            assert "another --name" in stderr


def _path_without(place: Path, *left_out: str) -> str:
    """A PATH with every tool of this machine but some."""
    for directory in ("/usr/local/bin", "/usr/bin", "/bin"):
        for tool in Path(directory).iterdir():
            link = place / tool.name
            if tool.name not in left_out and not link.is_symlink():
                link.symlink_to(tool)
    return str(place)


def test_names_the_tool_that_is_missing_and_its_package(crash: Lab, tmp_path: Path) -> None:
    path = _path_without(tmp_path, "slirp4netns", "socat")
    stderr = crash.do("up", "rbx7", code=1, environment={"PATH": path}).stderr
    assert "slirp4netns, socat, not found" in stderr
    assert "apt-get install --no-install-recommends slirp4netns socat" in stderr
    assert crash.traces() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MB."""
    place = tmp_path / "small"
    place.mkdir()
    options = f"size=16m,uid={os.getuid()}"
    subprocess.run([*SUDO, "mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    yield place
    subprocess.run([*SUDO, "umount", "--lazy", place], check=True)


@pytest.mark.parametrize("what", ["XDG_CACHE_HOME", "XDG_STATE_HOME"])
def test_says_how_much_disk_is_missing(crash: Lab, small_disk: Path, what: str) -> None:
    stderr = crash.do("up", "rbx7", code=1, environment={what: str(small_disk)}).stderr
    assert "MB of disk" in stderr
    assert "16 MB are free" in stderr or "15 MB are free" in stderr
    assert what in stderr
    crash.do("down", "--erase", environment={what: str(small_disk)})
    assert crash.traces() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without any right")
@pytest.mark.parametrize("verb", ["up", "down", "reset"])
def test_without_privilege_nothing_is_begun(crash: Lab, tmp_path: Path, verb: str) -> None:
    somebody = [
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
        # To read this checkout and its virtual environment, wherever they lie.
        "--inh-caps=+dac_override", "--ambient-caps=+dac_override",
    ]  # fmt: skip
    done = subprocess.run(
        [*somebody, PROGRAM, "lab", verb, "--name", crash.name],
        cwd=project_root(),
        env={"PATH": _path_without(tmp_path, "sudo"), "XDG_STATE_HOME": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "which only root may" in done.stderr
    assert "run it as root, or install sudo" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "state").exists()
    assert crash.traces() == []


def _config(lab: Lab, name: str) -> str:
    return (lab.directory / name).read_text()


def _modified(lab: Lab) -> dict[str, int]:
    return {
        name: (lab.directory / name).stat().st_mtime_ns for name in ("known_hosts", "ssh_config")
    }


def _of(known_hosts: str, machine: str) -> list[str]:
    return [line for line in known_hosts.splitlines() if line.startswith(f"{machine} ")]


def _naming(text: str) -> list[str]:
    """The processes that have `text` among their arguments."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if text in line]


def _kill_up(
    lab: Lab, reached: Callable[[], object], environment: Environment | None = None
) -> None:
    """Kill `lab up` as soon as it has come to a point."""
    process = lab.start("up", "rbx7", environment=environment)
    try:
        until(reached, 300, "the moment to kill")
        assert process.poll() is None, process.communicate()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
