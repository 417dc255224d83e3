"""What a host is asked, read from what real hosts said (tests/unit/access/)."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.access import collect
from orchestrator.access.collect import (
    authorized_key,
    can_do_something,
    last_day,
    may_enter,
    other_ways,
    password_kind,
    second_factor,
    sshd_settings,
    sudo_rules,
)
from orchestrator.access.live import accounts_of

RECORDED = Path(__file__).parent / "access"


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text()


def rule(
    command: str, run_as: str = "root", *, password: bool = True, others: bool = True
) -> dict[str, Any]:
    return {"run_as": run_as, "password": password, "exec": others, "command": command}


RULES: dict[str, list[dict[str, Any]]] = {
    "sudo-administrator": [rule("ALL", "ALL : ALL")],
    "sudo-operator": [rule("/usr/bin/systemctl restart chrony.service", others=False)],
    "sudo-machine": [rule("ALL", "ALL : ALL", password=False)],
    # `Defaults noexec`, which a tag outweighs.
    "sudo-escaped": [
        rule(r"/usr/bin/cut -f1\,2 a\:b\=c", others=False),
        rule('/usr/bin/id ""'),
        rule("sudoedit /etc/motd", others=False),
    ],
    "sudo-untouched": [rule("ALL", "ALL : ALL"), rule("ALL", "ALL : ALL", password=False)],
    "sudo-group": [rule("ALL", "ALL", password=False)],
    "sudo-nobody": [],
    "sudo-many": [
        rule("/usr/bin/systemctl restart chrony.service", password=False),
        rule(r"/usr/bin/cut -f1\,2 /etc/shadow", password=False),
        rule("/usr/bin/less /var/log/syslog", others=False),
        rule("!/usr/bin/su", others=False),
        rule("/usr/bin/id", "www-data, backup : adm"),
        rule(
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 /usr/bin/true",
            "ALL",
        ),
        rule("/usr/bin/journalctl", "games : adm", password=False),
    ],
    # `Defaults !authenticate` asks nobody; a tag of the rule outweighs it.
    "sudo-unasked": [
        rule("/usr/bin/id", password=False),
        rule("/usr/bin/true"),
        rule("/usr/bin/false"),
        rule("/usr/bin/w", password=False),
    ],
}


@pytest.mark.parametrize("name", RULES)
def test_rules_of_sudo(name: str) -> None:
    assert sudo_rules(recorded(name)) == RULES[name]


def test_every_recording_of_sudo_is_read() -> None:
    assert set(RULES) == {path.stem for path in RECORDED.glob("sudo-*.txt")}


@pytest.mark.parametrize(
    ("name", "factor", "groups", "enters"),
    [
        ("sshd-untouched", "none", ["ops"], True),
        ("sshd-fido2", "fido2", ["pas-people"], True),
        ("sshd-fido2", "fido2", ["users"], False),
        ("sshd-totp", "totp", ["pas-people", "x"], True),
        ("sshd-machine", "none", ["pas-people"], True),
        ("sshd-stranger", "none", ["nogroup"], False),
    ],
)
def test_what_sshd_asks(name: str, factor: str, groups: list[str], *, enters: bool) -> None:
    settings = sshd_settings(recorded(name))
    assert second_factor(settings) == factor
    assert may_enter(settings, "anna", groups) == enters
    assert other_ways(settings) == []


@pytest.mark.parametrize(
    ("setting", "account", "enters"),
    [
        ("permitrootlogin no", "root", False),
        ("permitrootlogin without-password", "root", True),
        ("denyusers an*", "anna", False),
        ("denyusers bob", "anna", True),
        ("denygroups g", "anna", False),
        ("allowusers bob anna@192.0.2.0/24", "anna", True),
        ("allowusers bob", "anna", False),
    ],
)
def test_who_is_let_in(setting: str, account: str, *, enters: bool) -> None:
    assert may_enter(sshd_settings(setting), account, ["g"]) == enters


def test_an_sshd_that_says_nothing_lets_nobody_in() -> None:
    assert not may_enter({}, "anna", [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("verify-required", "none"),
        ("authenticationmethods publickey", "authenticationmethods publickey password"),
        ("authenticationmethods publickey", "authenticationmethods any"),
        ("pubkeyacceptedalgorithms ", "pubkeyacceptedalgorithms ssh-ed25519,"),
    ],
)
def test_a_second_factor_that_can_be_gone_round_is_none(old: str, new: str) -> None:
    text = recorded("sshd-fido2")
    assert old in text
    assert second_factor(sshd_settings(text.replace(old, new))) == "none"


def test_a_code_that_only_one_of_two_ways_asks_for_is_none() -> None:
    text = recorded("sshd-totp")
    method = "authenticationmethods publickey,keyboard-interactive:pam"
    assert method in text
    assert second_factor(sshd_settings(text.replace(method, f"{method} publickey"))) == "none"


@pytest.mark.parametrize(
    "way",
    ["authorizedkeyscommand /usr/bin/x %u", "trustedusercakeys /etc/ssh/ca",
     "gssapiauthentication yes", "hostbasedauthentication yes"],
)  # fmt: skip
def test_ways_in_that_need_no_listed_key(way: str) -> None:
    keyword = way.split()[0]
    text = re.sub(rf"^{keyword} .*$", way, recorded("sshd-fido2"), flags=re.MULTILINE)
    assert other_ways(sshd_settings(text)) == [way]


KEYS = json.loads((RECORDED / "authorized_keys.json").read_text())


@pytest.mark.parametrize(("line", "expected"), KEYS, ids=[str(i) for i in range(len(KEYS))])
def test_lines_of_authorized_keys(line: str, expected: list[str] | None, tmp_path: Path) -> None:
    found = authorized_key(line)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert [found["kind"], found["options"], found["comment"]] == expected
    key = tmp_path / "key"
    key.write_text(line.strip().removeprefix(f"{found['options']} ") + "\n")
    said = subprocess.run(
        ["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True
    ).stdout
    assert said.split()[1] == found["fingerprint"]


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("", "empty"), ("!", "none"), ("*", "none"), ("!*", "none"), ("!!", "none"),
        ("$y$j9T$abc$def", "yescrypt"), ("$6$abc$def", "sha512"), ("$2b$05$abc", "bcrypt"),
        ("!$y$j9T$abc$def", "locked"), ("rl.3StKT.4T8M", "of an old kind"),
    ],
)  # fmt: skip
def test_how_a_password_is_kept(field: str, kind: str) -> None:
    assert password_kind(field) == kind


@pytest.mark.parametrize(
    ("days", "last"), [("", None), ("1", "1970-01-01"), ("47482", "2099-12-31")]
)
def test_the_last_day_of_an_account(days: str, last: str | None) -> None:
    assert last_day(days) == last


NOTHING: dict[str, Any] = {
    "account": "x", "uid": 100, "shell": False, "password": "none", "keys": [], "sudo": []
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "something"),
    [
        ({}, False), ({"password": "locked"}, False), ({"shell": True}, True),
        ({"password": "empty"}, True), ({"password": "sha512"}, True), ({"keys": [1]}, True),
        ({"sudo": [1]}, True), ({"uid": 0}, True),
        ({"account": "root", "uid": 0, "shell": True, "sudo": [1]}, False),
        ({"account": "root", "uid": 0, "password": "yescrypt"}, True),
        ({"account": "root", "uid": 0, "keys": [1]}, True),
    ],
)  # fmt: skip
def test_who_can_do_something(given: dict[str, Any], *, something: bool) -> None:
    assert can_do_something(NOTHING | given) == something


def test_the_collector_needs_nothing_of_ours() -> None:
    """It is sent alone to a host that has no more than Python."""
    text = Path(str(collect.__file__)).read_text()
    imported = set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE))
    assert imported <= sys.stdlib_module_names


ANSWER: dict[str, Any] = {
    "account": "anna", "uid": 1000, "name": "Anna", "shell": True, "password": "none",
    "valid_until": "2099-12-31", "groups": ["anna"], "ssh": True, "second_factor": "fido2",
    "other_ways": [], "keys": [], "sudo": [rule("ALL")], "last_login": None,
}  # fmt: skip


def test_an_answer_is_read() -> None:
    (account,) = accounts_of(json.dumps([ANSWER]))
    assert str(account.valid_until) == "2099-12-31"
    assert [str(each) for each in account.sudo] == ["everything as root"]


def test_what_a_host_says_does_not_speak_to_the_terminal() -> None:
    hostile = ANSWER | {"name": "A\x1b]0;owned\x07\x9b2J", "groups": ["\n"]}
    (account,) = accounts_of(json.dumps([hostile]))
    assert account.name == "A�]0;owned��2J"
    assert account.groups == ("�",)


@pytest.mark.parametrize(
    "answer", ["", "[", "{}x", "null", "[1]", '[{"account": "x"}]', json.dumps([ANSWER | {"x": 1}])]
)
def test_what_is_no_answer_is_not_taken_for_an_empty_one(answer: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        accounts_of(answer)
