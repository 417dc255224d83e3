"""What an attempt to unlock means, and to whom the passphrase may go."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import initramfs, reboot, unlock
from orchestrator.engine import Connection
from orchestrator.environment import load_environment
from orchestrator.errors import PasInfraError
from orchestrator.initramfs import Initramfs, Said, judge, pinned

HERE = Connection("rbx7", "198.18.0.11", 22, "ops", "-F /lab/ssh_config -o User=ops")


@pytest.mark.parametrize(
    ("code", "stderr", "said"),
    [
        (0, "cryptsetup: system_crypt set up successfully", Said.OPENED),
        (0, "", Said.OPENED),
        (1, "cryptsetup: cryptsetup failed, bad password or options?", Said.WRONG),
        (1, "cryptsetup: maximum number of tries exceeded for system_crypt", Said.WRONG),
        (1, "Error: Timeout reached while waiting for PID 321.", Said.BUSY),
        (1, "Error: Timeout reached while waiting for askpass.", Said.BUSY),
        (1, "Try again later", Said.BUSY),
        (255, "ssh: connect to host 198.18.0.11 port 2222: Connection refused", Said.SILENT),
        (255, "Connection closed by 198.18.0.11 port 2222", Said.SILENT),
        (255, "root@198.18.0.11: Permission denied (publickey).", Said.REFUSED),
        (255, "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", Said.OTHER_KEY),
        (255, "Host key verification failed.", Said.OTHER_KEY),
    ],
)
def test_what_ssh_says_is_judged(code: int, stderr: str, said: Said) -> None:
    assert judge(code, stderr) is said


def test_the_passphrase_goes_to_the_pinned_key_only_and_is_no_argument() -> None:
    command = Initramfs(HERE, 2222, Path("/var/lib/pins")).ssh
    options = [command[at + 1] for at, part in enumerate(command) if part == "-o"]
    assert "StrictHostKeyChecking=yes" in options
    assert "HostKeyAlias=rbx7.initramfs" in options
    assert "UserKnownHostsFile=/var/lib/pins" in options
    assert "GlobalKnownHostsFile=/dev/null" in options
    # Of an option that is given twice, the first counts.
    assert options.index("User=root") < options.index("User=ops")
    assert command[-2:] == ["198.18.0.11", "cryptroot-unlock"]


def test_pins_are_of_the_very_name(tmp_path: Path) -> None:
    pins = tmp_path / "known_hosts"
    assert pinned(pins, "rbx7.initramfs") == []
    pins.write_text(
        "rbx7 ssh-ed25519 SYSTEM\n"
        "rbx7.initramfs ssh-ed25519 INITRAMFS root@rbx7\n"
        "a,b ssh-rsa BOTH\n"
        "\n"
    )
    assert pinned(pins, "rbx7.initramfs") == ["ssh-ed25519 INITRAMFS"]
    assert pinned(pins, "b") == ["ssh-rsa BOTH"]
    assert pinned(pins, "initramfs") == []


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The initramfs of a host that opens for "right" only, and what it was given so far."""
    given: list[str] = []

    def give(_: Initramfs, passphrase: str) -> tuple[Said, str]:
        given.append(passphrase)
        opens = passphrase.startswith("right")
        return (Said.OPENED, "") if opens else (Said.WRONG, "bad password")

    monkeypatch.setattr(unlock, "give", give)
    monkeypatch.setattr(unlock, "_BETWEEN", 0.0)
    return given


def opened(*passphrases: str) -> tuple[float, float]:
    return unlock._open(Initramfs(HERE, 2222, Path("/pins")), passphrases, 60)


def test_the_next_passphrase_is_taken_when_the_one_before_was_wrong(locked: list[str]) -> None:
    opened("wrong", "right", "never asked for")
    assert locked == ["wrong", "right"]


def test_no_passphrase_is_tried_twice(locked: list[str]) -> None:
    with pytest.raises(PasInfraError, match=r"does not open its disks \(2 attempts\)"):
        opened("wrong", "former")
    assert locked == ["wrong", "former"]


def test_a_host_that_runs_and_asks_for_nothing_needs_no_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every server has an encrypted root: its clients' volumes may be all that it has."""

    def nobody() -> Iterator[str]:
        pytest.fail("a passphrase was asked for")
        yield ""

    def unpinned(*_: object) -> Initramfs:
        raise PasInfraError("no host key is pinned")

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(unlock, "connections", lambda *_: [HERE])
    monkeypatch.setattr(unlock, "initramfs_of", unpinned)
    monkeypatch.setattr(Connection, "answers", lambda _: True)
    environment = load_environment("lab")
    done = unlock.unlock(
        environment, environment.host("rbx7"), nobody(), patience=1, stage=lambda _: None
    )
    assert done.opened == 0


def test_another_host_key_at_a_restart_is_called_an_attack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        unlock, "initramfs_of", lambda _, connection: Initramfs(connection, 2222, Path("/pins"))
    )
    monkeypatch.setattr(unlock, "secret", lambda *_: "right")
    monkeypatch.setattr(unlock, "give", lambda *_: (Said.OTHER_KEY, "Host key verification failed"))
    assert "take it for an attack" in unlock.declared_unlock(load_environment("lab"))(HERE)


def test_pins_may_lie_in_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Role installation writes them with a module that knows what ~ is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pins").write_text("rbx7.initramfs ssh-ed25519 KEY\n")
    asked = {"installation_known_hosts": "~/pins", "initramfs_unlock_port": 2222}
    monkeypatch.setattr(initramfs, "settings", lambda *_: asked)
    assert initramfs.initramfs_of(load_environment("lab"), HERE).pins == tmp_path / "pins"


def test_what_stands_against_a_restart_is_asked_in_shell_that_runs() -> None:
    done = subprocess.run(
        ["sh", "-s"], input=reboot._OBSTACLES, capture_output=True, text=True, check=False
    )
    assert "syntax" not in done.stderr.lower()
    assert "not found" not in done.stderr


MIRRORS = """\
Personalities : [raid1]
md126 : active raid1 vda3[0] vdb3[1]
      523264 blocks super 1.2 [2/2] [UU]
md127 : active raid1 vda4[0]
      7598080 blocks super 1.2 [2/1] [U_]
      bitmap: 1/1 pages [4KB], 65536KB chunk
"""


def test_a_mirror_that_lacks_a_disk_is_named_after_a_start(tmp_path: Path) -> None:
    (tmp_path / "mdstat").write_text(MIRRORS)
    (tmp_path / "systemctl").write_text("#!/bin/sh\n[ $1 = list-units ] && echo a.service x y\n")
    (tmp_path / "systemctl").chmod(0o700)
    script = unlock.LOOK.replace("/proc/mdstat", str(tmp_path / "mdstat"))

    def ask(_: Connection, __: str) -> tuple[int, str]:
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        done = subprocess.run(
            ["sh", "-s"], input=script, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    assert unlock.faults_after(HERE, ask) == (
        "a.service has failed", "the mirror md127 lacks a disk"
    )  # fmt: skip
    assert unlock.faults_after(HERE, lambda *_: (255, "")) == ("it could not be asked how it is",)
