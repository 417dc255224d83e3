"""What an attempt to unlock means, and to whom the passphrase may go."""

from pathlib import Path

import pytest

from orchestrator.engine import Connection
from orchestrator.unlock import Initramfs, Said, judge, pinned


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
    connection = Connection("rbx7", "198.18.0.11", 22, "ops", "-F /lab/ssh_config -o User=ops")
    command = Initramfs(connection, 2222, Path("/var/lib/pins")).ssh
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
