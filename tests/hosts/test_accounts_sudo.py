"""Checks of role accounts: what sudo itself says of every account of the host."""

import re

import pytest
from conftest import Answers
from declared import Account, Declared

Grant = tuple[str, str, str, str]  # run as whom, may it start others, password, command
GRANT = re.compile(r"^ {4}\((.+?)\) (.*)$")
TAG = re.compile(r"^(\w+): ?")
# ANSSI-BP-028 R39, and a record of what is shown.
DEFAULTS = {
    "use_pty", "requiretty", "noexec", "ignore_dot", "env_reset", "umask=0077", "log_output",
}  # fmt: skip


@pytest.fixture(scope="module")
def said(answers: Answers) -> dict[str, str]:
    """`sudo -l` for every account, as sudo resolves users, groups and files."""
    script = (
        "for u in $(getent passwd | cut -d: -f1); do "
        'echo "@ $u"; LC_ALL=C sudo -l -U $u 2>&1 || true; done'
    )
    parts = answers(script).split("@ ")[1:]
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in parts}


def grants(text: str) -> set[Grant]:
    """What `sudo -l` lists: tags hold for the commands behind them, until another one."""
    found = set()
    for line in text.splitlines():
        match = GRANT.match(line)
        if not match:
            continue
        tags = {"exec": "", "password": "PASSWD"}
        for part in re.split(r"(?<!\\), ", match[2]):
            command = part
            while tag := TAG.match(command):
                tags["exec" if "EXEC" in tag[1] else "password"] = tag[1]
                command = command[tag.end() :]
            found.add((match[1], tags["exec"], tags["password"], command.replace("\\", "")))
    return found


def wanted(account: Account) -> set[Grant]:
    """What people.yml grants."""
    password = "NOPASSWD" if account.second_factor is None else "PASSWD"
    if "ALL" in account.sudo:
        return {("ALL : ALL", "EXEC", password, "ALL")}
    return {
        (
            "root",
            "EXEC" if line in account.exec else "NOEXEC",
            password,
            line if " " in line else f'{line} ""',
        )
        for line in account.sudo
    }


@pytest.mark.pas("5.3.1")
def test_rights_are_the_declared_ones(said: dict[str, str], declared: Declared) -> None:
    """sudo gives each account what people.yml declares, and nothing to anybody else."""
    rights = {account.account: wanted(account) for account in declared.accounts or ()}
    rights["root"] = {("ALL : ALL", "EXEC", "PASSWD", "ALL")}
    for account, text in said.items():
        found = grants(text)
        more = found - rights.get(account, set())
        assert not more, f"{account} may also run {', '.join(grant[3] for grant in more)}"
        less = rights.get(account, set()) - found
        assert not less, f"{account} may not run {', '.join(grant[3] for grant in less)}"


@pytest.mark.pas("5.2.2", "5.3.1")
def test_sudo_is_held_to_its_rules(said: dict[str, str], declared: Declared) -> None:
    """A person's commands run in a terminal of their own that is recorded, and inherit nothing."""
    for person in declared.persons:
        text = said.get(person.account, "")
        if not grants(text):
            continue
        stated = text.split(":\n", 1)[1].split("\n\n")[0]
        entries = [entry.strip() for entry in re.split(r"(?<!\\),", stated)]
        # The last one counts: `!use_pty` behind `use_pty` takes it back.
        names = {re.split("[=!]", entry)[-1 if entry[0] == "!" else 0]: entry for entry in entries}
        lacking = sorted(entry for entry in DEFAULTS if names.get(entry.split("=")[0]) != entry)
        assert not lacking, f"{person.account}: without {', '.join(lacking)}"
        silent = [name for name in ("!syslog", "!log_allowed") if name in entries]
        assert not silent, f"{person.account}: not logged, {', '.join(silent)}"
        free = [name for name in ("!authenticate", "!env_reset") if name in entries]
        assert not free, f"{person.account}: {', '.join(free)}"


@pytest.mark.pas("5.3.1")
def test_only_declared_accounts_can_start_sudo(answers: Answers) -> None:
    """Its file belongs to the accounts' group, is closed to others, and stays so over updates."""
    wanted = "root pas-people 4750 /usr/bin/sudo"
    seen = answers("stat --format='%U %G %a %n' /usr/bin/sudo").strip()
    assert seen == wanted, f"sudo can be started by others: {seen}"
    kept = answers("dpkg-statoverride --list /usr/bin/sudo || true").strip()
    assert kept == wanted, f"the next version of sudo comes as {kept or 'its package has it'}"
