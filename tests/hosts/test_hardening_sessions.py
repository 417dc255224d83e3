"""Checks of role hardening: what the sessions of people are given."""

import re

import pytest
from conftest import Answers
from declared import Declared

# The shells that a person meets: at the login, and after `su` or in another terminal.
SHELLS = ("bash -l -i", "bash -i")
VERSION = re.compile(r"Debian|Linux \S*\d|\\[smrv]", re.IGNORECASE)


def said(answers: Answers, shell: str, command: str) -> str:
    """What a shell of root's says, started as from nothing."""
    return answers(f"env -i HOME=/root USER=root {shell} -c '{command}' 2>/dev/null")


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R36")
def test_umask_leaves_nothing_to_others(answers: Answers) -> None:
    """What somebody makes is for nobody else to read."""
    masks = {shell: said(answers, shell, "umask").strip() for shell in SHELLS}
    loose = [f"{mask} in {shell}" for shell, mask in masks.items() if mask != "0077"]
    assert not loose, ", ".join(loose)


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R32")
def test_idle_shells_end(answers: Answers, declared: Declared) -> None:
    """A shell that nobody uses ends, and its user cannot have it otherwise."""
    limit = f'TMOUT="{declared["hardening_shell_timeout"]}"'
    wanted = f"declare -rx {limit}"
    loose = [shell for shell in SHELLS if wanted not in said(answers, shell, "readonly -p")]
    assert not loose, f"not {limit}, or not for good, in {', '.join(loose)}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R32")
def test_idle_sessions_end(answers: Answers, declared: Declared) -> None:
    """logind ends the sessions in which nobody does anything."""
    setting = answers(
        "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 "
        "org.freedesktop.login1.Manager StopIdleSessionUSec"
    ).split()[1]
    wanted = str(declared["hardening_session_timeout"] * 1_000_000)
    assert setting == wanted, f"after {setting} µs"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R55")
def test_temporary_files_are_ones_own(answers: Answers) -> None:
    """A session's temporary files lie in a directory that no other account reads."""
    place = said(answers, "XDG_RUNTIME_DIR=/run bash -l", "echo $TMPDIR").strip()
    assert place == "/run", f"TMPDIR is {place or 'not set'}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R36", "R50", "R68", "R71")
def test_accounts_are_made_closed(answers: Answers, active: frozenset[str]) -> None:
    """A new account gets a home of its own, without which it cannot log in, and is logged."""
    lines = answers("cat /etc/login.defs").splitlines()
    settings = dict(line.split(None, 1) for line in lines if line.strip() and line[0] != "#")
    wanted = {
        "UMASK": ("077", "R36"),
        "HOME_MODE": ("0700", "R50"),
        "DEFAULT_HOME": ("no", "R50"),
        "SHA_CRYPT_MIN_ROUNDS": ("65536", "R68"),
        "SHA_CRYPT_MAX_ROUNDS": ("65536", "R68"),
        "LOG_OK_LOGINS": ("yes", "R71"),
    }
    differing = [
        f"{name} is {settings.get(name)}"
        for name, (value, number) in wanted.items()
        if number in active and settings.get(name, "").strip() != value
    ]
    assert not differing, ", ".join(differing)


@pytest.mark.pas("1.1.1")
def test_banner_warns_and_tells_no_version(answers: Answers, declared: Declared) -> None:
    """Terminals say for whom the host is, and nothing about what it runs."""
    for file in ("/etc/issue", "/etc/issue.net", "/etc/motd"):
        shown = answers(f"cat {file}")
        assert shown == declared["hardening_banner"], f"{file} says something else"
    dynamic = answers("run-parts /etc/update-motd.d")
    assert not VERSION.search(dynamic), f"a login shows: {dynamic.strip()}"


@pytest.mark.pas("1.1.1")
@pytest.mark.anssi("R50")
def test_only_root_has_jobs(answers: Answers) -> None:
    """cron and at take jobs from nobody but root."""
    allowed = answers("cat /etc/cron.allow /etc/at.allow").split()
    assert set(allowed) == {"root"}, f"allowed: {', '.join(allowed)}"
    denying = answers("find /etc -maxdepth 1 -name cron.deny -o -maxdepth 1 -name at.deny").split()
    assert not denying, f"{', '.join(denying)} is there, so that others may"
