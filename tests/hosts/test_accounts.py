"""Checks of role accounts: who has an account, who may log in with which key, and nobody else."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import pytest
from conftest import Answers
from declared import Account, Declared
from hashes import passwd, shadow

PEOPLE = "pas-people"
NO_SHELL = ("/nologin", "/false", "/sync")
EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Entry:
    """An account of the host; `expires` is the day, since 1970, from which it is refused."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    password: str  # its kind: `*`, `!`, `$y$jCT`, `clear`, nothing at all
    expires: int | None

    def open_on(self, today: int) -> bool:
        """Whether somebody could use it."""
        return not self.shell.endswith(NO_SHELL) and not (self.expires and self.expires <= today)


@pytest.fixture(scope="module")
def accounts(declared: Declared) -> tuple[Account, ...]:
    """Who is declared for this host."""
    assert declared.accounts is not None, "the environment has no people.yml"
    return declared.accounts


@pytest.fixture(scope="module")
def entries(answers: Answers) -> dict[str, Entry]:
    """The accounts that the host's files hold."""
    kept = shadow(answers)
    found = {}
    for name, (_, second, uid, gid, _, home, shell) in passwd(answers).items():
        # Whoever stands in no /etc/shadow opens with nothing.
        _, password, *_, expires, _ = kept.get(name, [name, "*", "", ""])
        # A password in /etc/passwd itself comes before that of /etc/shadow.
        password = password if second == "x" else second
        found[name] = Entry(
            name, int(uid), int(gid), home, shell, password, int(expires) if expires else None
        )
    return found


@pytest.fixture(scope="module")
def today(answers: Answers) -> int:
    """The host's day, as /etc/shadow counts them."""
    return int(answers("date +%s")) // 86400


@pytest.fixture(scope="module")
def groups(answers: Answers, entries: dict[str, Entry]) -> dict[str, set[str]]:
    """The groups of each account, as the system itself resolves them."""
    lines = answers(f"for u in {' '.join(entries)}; do echo $u $(id -Gn $u); done").splitlines()
    return {name: set(rest) for name, *rest in (line.split() for line in lines)}


@pytest.fixture(scope="module")
def sshd(
    answers: Answers, client_address: str, entries: dict[str, Entry]
) -> dict[str, dict[str, str]]:
    """What sshd would hold each account to that has a shell."""
    name = answers("hostname").strip()
    able = [entry.name for entry in entries.values() if not entry.shell.endswith(NO_SHELL)]
    found = {}
    for account in able:
        said = answers(f"/usr/sbin/sshd -T -C user={account},host={name},addr={client_address}")
        settings: dict[str, str] = {}
        for line in said.splitlines():
            keyword, _, value = line.partition(" ")
            settings[keyword] = f"{settings[keyword]} {value}" if keyword in settings else value
        found[account] = settings
    return found


@pytest.fixture(scope="module")
def opening(
    sshd: dict[str, dict[str, str]],
    groups: dict[str, set[str]],
    entries: dict[str, Entry],
    answers: Answers,
) -> dict[str, list[str]]:
    """The lines of the keys that open each account that sshd's positive list of groups lets in."""
    return {
        account: key_lines(answers, entries[account], settings["authorizedkeysfile"])
        for account, settings in sshd.items()
        if "allowgroups" not in settings or groups[account] & set(settings["allowgroups"].split())
    }


def key_lines(answers: Answers, entry: Entry, files: str) -> list[str]:
    """The lines by which sshd knows an account's keys."""
    found = []
    for pattern in files.split():
        path = pattern.replace("%u", entry.name).replace("%h", entry.home)
        path = path if path.startswith("/") else f"{entry.home}/{path}"
        text = answers(f"cat {path} 2>/dev/null || true")
        found += [line for line in text.splitlines() if line.strip() and line[0] != "#"]
    return found


def fingerprints(answers: Answers, lines: Iterable[str]) -> list[str]:
    """What ssh-keygen calls the keys of these lines, options and all."""
    text = "\n".join(lines).replace("'", "'\\''")
    return [line.split()[1] for line in answers(f"echo '{text}' | ssh-keygen -l -f -").splitlines()]


@pytest.mark.pas("5.2.1", "5.2.2")
def test_everybody_declared_has_an_account_of_their_own(
    accounts: tuple[Account, ...], entries: dict[str, Entry]
) -> None:
    """Each declared person and machine has an account, through its last day and no longer."""
    for account in accounts:
        entry = entries.get(account.account)
        assert entry, f"{account.account} has no account"
        alike = [e.name for e in entries.values() if e.uid == entry.uid and e.name != entry.name]
        assert not alike, f"{entry.name} has the number of {', '.join(alike)}"
        first_day_without = date.fromisoformat(account.valid_until).toordinal() + 1 - EPOCH
        ends = "never" if entry.expires is None else date.fromordinal(entry.expires - 1 + EPOCH)
        assert entry.expires == first_day_without, (
            f"{entry.name} ends {ends} instead of {account.valid_until}"
        )


@pytest.mark.pas("4.2.1", "5.2.1", "5.2.2", "5.6.1")
def test_nobody_else_has_an_account(
    accounts: tuple[Account, ...],
    entries: dict[str, Entry],
    groups: dict[str, set[str]],
    today: int,
) -> None:
    """No account of a human being is open but the declared ones, and who has left is gone."""
    names = {account.account for account in accounts}
    left = [name for name, among in groups.items() if PEOPLE in among and name not in names]
    assert not left, f"declared no more: {', '.join(left)}"
    others = [
        entry.name
        for entry in entries.values()
        if entry.uid >= 1000 and entry.name not in {*names, "nobody"} and entry.open_on(today)
    ]
    assert not others, f"nobody declared {', '.join(others)}"


@pytest.mark.pas("5.2.2", "5.3.1")
def test_root_has_one_name(entries: dict[str, Entry]) -> None:
    """No account but root has root's number."""
    others = [e.name for e in entries.values() if e.uid == 0 and e.name != "root"]
    assert not others, f"{', '.join(others)} is root under another name"


@pytest.mark.pas("5.2.2")
def test_accounts_of_the_system_have_no_shell(
    entries: dict[str, Entry], declared: Declared
) -> None:
    """Nobody works under an account of the system."""
    allowed = {"root", *declared["accounts_system_shells"]}
    with_shell = [
        f"{e.name} ({e.shell})"
        for e in entries.values()
        if 0 < e.uid < 1000 and not e.shell.endswith(NO_SHELL) and e.name not in allowed
    ]
    persons = {account.account for account in declared.accounts or ()}
    with_shell = [text for text in with_shell if text.split()[0] not in persons]
    assert not with_shell, f"with a shell: {', '.join(with_shell)}"


@pytest.mark.pas("5.2.2", "6.3.1")
def test_only_persons_have_passwords(entries: dict[str, Entry], declared: Declared) -> None:
    """Neither root, nor a machine, nor a service has a password; no account opens with none."""
    persons = {account.account for account in declared.persons}
    able = [e.name for e in entries.values() if e.password[:1] not in ("*", "!")]
    others = [name for name in able if name not in persons]
    assert not others, f"with a password, or with an empty one: {', '.join(others)}"
    empty = [name for name in able if not entries[name].password]
    assert not empty, f"with an empty password: {', '.join(empty)}"


@pytest.mark.pas("5.3.1")
def test_groups_are_the_declared_ones(
    accounts: tuple[Account, ...], groups: dict[str, set[str]]
) -> None:
    """Each account is in the groups of its rights, and in no other."""
    for account in accounts:
        factor = [f"pas-{account.second_factor}"] if account.second_factor else []
        wanted = {account.account, PEOPLE, *factor, *account.groups}
        found = groups.get(account.account, set())
        assert found == wanted, (
            f"{account.account}: {', '.join(sorted(found ^ wanted))} is too much or missing"
        )


@pytest.mark.pas("5.2.2", "5.6.1")
def test_only_declared_accounts_are_let_in(
    accounts: tuple[Account, ...], groups: dict[str, set[str]], sshd: dict[str, dict[str, str]]
) -> None:
    """sshd's positive list of groups holds declared accounts only."""
    names = {account.account for account in accounts}
    allowed = set(sshd["root"].get("allowgroups", "").split())
    assert allowed, "every group is let in"
    others = [name for name, among in groups.items() if among & allowed and name not in names]
    assert not others, f"also let in: {', '.join(others)}"


@pytest.mark.pas("5.3.1", "5.5.1")
def test_keys_are_the_declared_ones(
    accounts: tuple[Account, ...],
    opening: dict[str, list[str]],
    sshd: dict[str, dict[str, str]],
    answers: Answers,
) -> None:
    """sshd accepts the declared keys of each account, kept by root, and no other."""
    known = {account.account: account for account in accounts}
    missing = known.keys() - opening.keys()
    assert not missing, f"sshd does not let in {', '.join(sorted(missing))}"
    waiting = []
    for name, lines in opening.items():
        files = sshd[name]["authorizedkeysfile"]
        assert files.startswith("/etc/ssh/") and " " not in files, (  # noqa: PT018 - one fault
            f"{name} decides by itself whose key is good, in {files}: apply role ssh"
        )
        account = known.get(name)
        # Another host has to show it first: a target of backups that is not there yet.
        if not lines and account and account.keys is None and account.forced_command:
            waiting.append(name)
            continue
        assert lines, f"{name} has no key"
        found = sorted(fingerprints(answers, lines))
        declared_keys = known[name].keys if name in known else []
        if declared_keys is not None:
            differing = set(found) ^ set(declared_keys)
            assert not differing, f"{name}: {', '.join(sorted(differing))} is foreign or missing"
    if waiting:
        pytest.skip(f"nobody has shown a key for {', '.join(waiting)} yet: apply the other hosts")


@pytest.mark.pas("5.3.1", "5.5.3")
def test_keys_are_bound(accounts: tuple[Account, ...], opening: dict[str, list[str]]) -> None:
    """Machines' keys serve from their addresses and for their command only, tokens with a PIN."""
    for account in accounts:
        wanted = {"restrict"}
        if account.second_factor == "fido2":
            wanted |= {"verify-required"}
        if account.second_factor is None:
            wanted |= {f'from="{",".join(account.origins)}"'}
        if account.forced_command:
            wanted |= {f'command="{account.forced_command}"'}
        for line in opening.get(account.account, []):
            missing = [option for option in wanted if option not in line]
            assert not missing, f"a key of {account.account} is not bound by {missing[0]}"


@pytest.mark.pas("5.5.3")
def test_one_time_codes_are_ready(declared: Declared, answers: Answers) -> None:
    """Whoever shows one-time codes has a secret of 128 bits or more, which root alone reads."""
    wanted = {a.account for a in declared.persons if a.second_factor == "totp"}
    place = "/var/lib/pas-infra/users.oath"
    script = f"awk '!/^#/ {{print $2, length($4)}}' {place} 2>/dev/null || true"
    found = {line.split()[0]: int(line.split()[1]) for line in answers(script).splitlines()}
    differing = found.keys() ^ wanted
    assert not differing, f"{', '.join(sorted(differing))} has none, or one too many"
    short = [name for name, digits in found.items() if digits < 32]
    assert not short, f"too short: {', '.join(short)}"
    mode = answers(f"stat -c '%a %U' {place}").strip()
    assert mode == "600 root", f"{place} is {mode}"


@pytest.mark.pas("4.2.1", "5.2.1")
def test_nothing_works_on_for_who_has_left(
    accounts: tuple[Account, ...], entries: dict[str, Entry], answers: Answers
) -> None:
    """No process, job or lasting session belongs to a human account that is not declared."""
    names = {account.account for account in accounts}
    system = {e.name for e in entries.values() if e.uid < 1000}
    jobs = answers(
        "ls /var/spool/cron/crontabs /var/lib/systemd/linger 2>/dev/null | grep -v ':$' || true"
    ).split()
    lasting = sorted({name for name in jobs if name not in names | system})
    assert not lasting, f"jobs or lasting sessions of {', '.join(lasting)}"
    declared_uids = {entries[name].uid for name in names if name in entries}
    running = {
        int(uid)
        for uid in answers("ps -e -o uid=").split()
        # From 60000 on stand the numbers that systemd gives to a service while it runs.
        if 1000 <= int(uid) < 60000 and int(uid) not in declared_uids
    }
    assert not running, f"processes of the numbers {sorted(running)}"
