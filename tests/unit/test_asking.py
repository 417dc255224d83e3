"""One question to many hosts; in place of ssh stands a program that answers as each host does."""

from pathlib import Path

import pytest

from orchestrator.engine import Connection, HostProgram, Question, ask

# Its last arguments are the host's address and the command.
SSH = """\
#!/bin/sh
for command; do address=$last; last=$command; done
case $address in
    answers) read -r given; echo "$last $given" ;;
    closed) echo 'port 22: Connection refused' >&2; exit 255 ;;
    refuses) printf 'first\\n\\033[2Jsudo: a password is required\\n' >&2; exit 1 ;;
    silent) exit 1 ;;
    babbles) printf '\\377\\n' ;;
    floods) exec yes ;;
    complains) exec yes >&2 ;;
    nests) head -c 200000 /dev/zero | tr '\\0' '[' ;;
    hangs) exec sleep 30 ;;
esac
"""


@pytest.fixture(autouse=True)
def _ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ssh"
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def read(text: str) -> str:
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise ValueError("it makes no sense")
    return text.strip()


def asked(*hosts: str) -> tuple[dict[str, str], dict[str, str]]:
    connections = [Connection(host, host, 22, "ops", "") for host in hosts]
    return ask(connections, Question("its state", "look", read, script="here\n", patience=2))


def test_every_host_is_asked_and_every_silence_has_its_reason() -> None:
    given, missing = asked("answers", "closed", "refuses", "silent", "babbles", "hangs")
    assert given == {"answers": "look here"}
    assert missing == {
        "closed": "no answer over SSH: port 22: Connection refused",
        "refuses": "its state could not be read: �[2Jsudo: a password is required",
        "silent": "its state could not be read: it says nothing",
        "babbles": "its state could not be read: it makes no sense",
        "hangs": "no answer within 2 s",
    }


def test_a_flood_is_cut_off_and_nonsense_is_no_answer() -> None:
    connections = [Connection(host, host, 22, "ops", "") for host in ("floods", "complains")]
    given, missing = ask(connections, Question("its state", "look", read, at_most=1 << 20))
    assert given == {}
    why = "its state could not be read: it says over 1048576 bytes"
    assert missing == {"floods": why, "complains": why}


@pytest.mark.parametrize("host", ["nests", "answers"])
def test_a_program_answers_with_an_object(host: str) -> None:
    program = HostProgram("its state", (), remedy="", patience=5)
    _, missing = ask([Connection(host, host, 22, "ops", "")], program.question({}))
    assert missing[host].startswith("its state could not be read: ")


def test_nobody_is_asked() -> None:
    assert asked() == ({}, {})


@pytest.mark.parametrize(("told", "within"), [("", 15), ("5", 15), ("300", 300)])
def test_a_login_may_take_as_long_as_ansible_is_told(
    told: str, within: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_TIMEOUT", told)
    assert f"ConnectTimeout={within}" in Connection("rbx7", "198.18.0.11", 22, "", "").ssh_batch
