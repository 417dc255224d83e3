"""Whatever departs from people.yml on a host is said, in words, and nothing else is."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from orchestrator.access.compare import Line, State, compare
from orchestrator.access.listing import AccessList
from orchestrator.access.live import Key, Live, LiveAccount, Rule
from orchestrator.environment import (
    MachineAccount,
    People,
    Person,
    Place,
    PublicKey,
    Right,
)
from orchestrator.errors import PasInfraError
from orchestrator.exit_codes import ExitCode

END = date(2099, 12, 31)
RIGHTS = (
    Right("administrator", "Everything", ("ALL",), ()),
    Right("operator", "Time", ("/usr/bin/systemctl restart chrony.service",), ("systemd-journal",)),
)
ANNA = Person("anna", "Anna", None, ("administrator",), None,
              (PublicKey("sk", 256, "SHA256:anna", "anna@token"),), "fido2",
              Place("Lille", "FR"), END)  # fmt: skip
BEN = Person("ben", "Ben", None, ("operator",), ("web1",),
             (PublicKey("ssh-ed25519", 256, "SHA256:ben", "ben@desk"),), "totp",
             Place("Paris", "FR"), END)  # fmt: skip
RUNNER = MachineAccount("runner", "Ansible", "anna", None, (), "keys_of_runner",
                        ("192.0.2.40", "2001:db8::/64"), ("ALL",), None, END)  # fmt: skip
PULL = MachineAccount("pull", "Backups", "anna", ("web1",),
                      (PublicKey("ssh-ed25519", 256, "SHA256:pull", ""),), None,
                      ("192.0.2.41",), (), "/usr/bin/borg serve", END)  # fmt: skip
PEOPLE = People(RIGHTS, (ANNA, BEN), (RUNNER, PULL))
RESOLVED = {"keys_of_runner": (PublicKey("ssh-ed25519", 256, "SHA256:runner", ""),)}


def key(name: str, options: str = "restrict") -> Key:
    return Key("ssh-ed25519", f"SHA256:{name}", options, f"{name}@x", f"/keys/{name}")


def account(name: str, **given: Any) -> LiveAccount:
    standard: dict[str, Any] = {
        "account": name, "uid": 1000, "name": name, "shell": True, "password": "none",
        "valid_until": END, "groups": (name, "pas-people"), "ssh": True, "second_factor": "none",
        "other_ways": (), "keys": (), "sudo": (), "last_login": None,
    }  # fmt: skip
    return LiveAccount(**standard | given)


def allowed(
    command: str, run_as: str = "root", *, password: bool = True, others: bool = False
) -> Rule:
    return Rule(run_as, password, others or command == "ALL", command)


LIVE = {
    "anna": account("anna", second_factor="fido2", keys=(key("anna"),), password="yescrypt",  # noqa: S106
                    sudo=(allowed("ALL"),),
                    groups=("anna", "pas-fido2", "pas-people")),
    "ben": account("ben", second_factor="totp", keys=(key("ben"),),
                   groups=("ben", "pas-people", "pas-totp", "systemd-journal"),
                   sudo=(allowed(RIGHTS[1].sudo[0]),)),
    "runner": account("runner", sudo=(allowed("ALL", password=False),),
                      keys=(key("runner", 'from="192.0.2.40,2001:db8::/64",restrict'),)),
    "pull": account(
        "pull", keys=(key("pull", 'from="192.0.2.41",restrict,command="/usr/bin/borg serve"'),)
    ),
}  # fmt: skip


def compared(*live: LiveAccount, host: str = "web1", **more: Any) -> list[Line]:
    return compare(host, live, PEOPLE, resolved_keys=RESOLVED, **more)


def test_what_is_as_declared_has_nothing_to_say() -> None:
    lines = compared(*LIVE.values())
    assert [line.account for line in lines] == ["anna", "ben", "runner", "pull"]
    assert {(line.state, line.deviations) for line in lines} == {(State.DECLARED, ())}


@pytest.mark.parametrize("run_as", ["root", "ALL", "ALL : ALL"])
def test_who_may_run_everything_as_root_may_be_anybody(run_as: str) -> None:
    rules = (allowed("ALL", run_as),)
    line = compared(replace(LIVE["anna"], sudo=rules))[0]
    assert line.state is State.DECLARED


@pytest.mark.parametrize(
    ("declared", "live", "same"),
    [
        ("/usr/bin/id", '/usr/bin/id ""', True),
        ("/usr/bin/id", "/usr/bin/id", False),  # with any arguments
        ("/usr/bin/cut -f1,2 a:b=c", r"/usr/bin/cut -f1\,2 a\:b\=c", True),
        ("/usr/bin/cut -f1,2 a", r"/usr/bin/cut -f1\,3 a", False),
        ("sudoedit /etc/motd", "sudoedit /etc/motd", True),
    ],
)
def test_a_command_line_is_the_one_that_sudoers_means(
    declared: str, live: str, *, same: bool
) -> None:
    people = replace(PEOPLE, rights=(RIGHTS[0], replace(RIGHTS[1], sudo=(declared,))))
    ben = replace(LIVE["ben"], sudo=(allowed(live),))
    lines = {line.account: line for line in compare("web1", [ben], people, resolved_keys={})}
    assert (lines["ben"].state is State.DECLARED) == same, lines["ben"].deviations


def test_a_right_may_let_its_commands_start_others() -> None:
    people = replace(PEOPLE, rights=(RIGHTS[0], replace(RIGHTS[1], exec=True)))
    ben = replace(LIVE["ben"], sudo=(allowed(RIGHTS[1].sudo[0], others=True),))
    lines = {line.account: line for line in compare("web1", [ben], people, resolved_keys={})}
    assert lines["ben"].state is State.DECLARED


DIFFERENT: list[tuple[str, dict[str, Any], list[str]]] = [
    ("anna", {"uid": 0}, ["is root by another name (uid 0)"]),
    ("anna", {"password": "empty"}, ["its password is empty"]),
    ("anna", {"ssh": False}, ["sshd does not let it in"]),
    ("anna", {"shell": False}, ["has no shell, so it can do nothing"]),
    ("anna", {"valid_until": None}, ["never ends, declared until 2099-12-31"]),
    ("anna", {"valid_until": date(2100, 1, 1)},
     ["valid until 2100-01-01, declared until 2099-12-31"]),
    ("anna", {"other_ways": ("trustedusercakeys /ca",)}, ["gets in by trustedusercakeys /ca"]),
    ("anna", {"keys": (key("anna"), key("eve"))},
     ["has the key SHA256:eve eve@x (ssh-ed25519, /keys/eve), undeclared"]),
    ("anna", {"keys": ()}, ["lacks the key SHA256:anna anna@token"]),
    ("anna", {"second_factor": "totp"}, ["second factor totp, declared fido2"]),
    ("ben", {"second_factor": "none"}, ["second factor none, declared totp"]),
    ("anna", {"sudo": ()}, ["may not run everything as root"]),
    ("anna", {"sudo": (allowed("ALL", password=False),)},
     ["may run everything as root, no password: undeclared", "may not run everything as root"]),
    ("ben", {"sudo": (*LIVE["ben"].sudo, allowed("/usr/bin/vi", "ALL : ALL"))},
     ["may run /usr/bin/vi as anybody: undeclared"]),
    ("ben", {"sudo": (allowed(RIGHTS[1].sudo[0], others=True),)},
     [f"may run {RIGHTS[1].sudo[0]} as root, starting others: undeclared",
      f"may not run {RIGHTS[1].sudo[0]} as root"]),
    ("ben", {"groups": ("ben", "docker", "systemd-journal")},
     ["is in the group docker, undeclared"]),
    ("ben", {"groups": ("ben", "pas-totp")}, ["is not in the group systemd-journal"]),
    ("runner", {"password": "sha512"},
     ["has a password (sha512), which no machine account may have"]),
    ("runner", {"keys": (key("runner"),)},
     ["its key SHA256:runner is not bound to an address, declared 192.0.2.40, 2001:db8::/64"]),
    ("runner", {"keys": (key("runner", 'from="*",restrict'),)},
     ["its key SHA256:runner is bound to *, declared 192.0.2.40, 2001:db8::/64"]),
    ("runner", {"keys": (key("runner", LIVE["runner"].keys[0].options + ',command="/x"'),)},
     ["its key SHA256:runner is forced to `/x`, declared no forced command"]),
    ("pull", {"keys": (key("pull", 'from="192.0.2.41",restrict'),)},
     ["its key SHA256:pull is free to run anything, declared `/usr/bin/borg serve`"]),
    ("pull", {"groups": ("pull", "adm")}, ["is in the group adm, undeclared"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "deviations"), DIFFERENT)
def test_what_differs(name: str, given: dict[str, Any], deviations: list[str]) -> None:
    (line,) = (
        line
        for line in compared(*(LIVE | {name: replace(LIVE[name], **given)}).values())
        if line.state is not State.DECLARED
    )
    assert (line.account, line.state) == (name, State.DIFFERING)
    assert list(line.deviations) == deviations


def test_who_is_declared_for_this_host_and_not_there_is_missing() -> None:
    lines = {line.account: line.state for line in compared()}
    assert lines == dict.fromkeys(LIVE, State.MISSING)
    assert set(line.account for line in compared(host="web2")) == {"anna", "runner"}  # noqa: C401


def test_who_is_declared_for_another_host_only_is_undeclared() -> None:
    (line,) = (line for line in compared(LIVE["ben"], host="web2") if line.account == "ben")
    assert line.state is State.UNDECLARED


@pytest.mark.parametrize(
    ("stranger", "powers"),
    [
        (account("eve", keys=(key("eve"),)),
         ["has a shell", "has the key SHA256:eve eve@x (ssh-ed25519, /keys/eve)"]),
        (account("eve", shell=False, sudo=(allowed("ALL", "ALL", password=False),)),
         ["may run everything as anybody, no password"]),
        (account("toor", shell=False, uid=0), ["is root by another name (uid 0)"]),
        (account("root", uid=0, password="sha512",  # noqa: S106
                 sudo=(allowed("ALL", "ALL"),)),
         ["has a password (sha512)"]),
        (account("root", uid=0, keys=(key("k"),)),
         ["has the key SHA256:k k@x (ssh-ed25519, /keys/k)"]),
        (account("eve", shell=False, password="empty"),  # noqa: S106
         ["has a password (empty)"]),
    ],
)  # fmt: skip
def test_strangers_are_listed_with_what_they_could_do(
    stranger: LiveAccount, powers: list[str]
) -> None:
    line = compared(*LIVE.values(), stranger)[-1]
    assert (line.account, line.state) == (stranger.account, State.UNDECLARED)
    assert list(line.deviations) == powers


def test_a_second_entry_of_a_name_does_not_hide_behind_the_first() -> None:
    lines = compared(*LIVE.values(), replace(LIVE["anna"], uid=0))
    assert [line.state for line in lines] == [*[State.DECLARED] * 4, State.UNDECLARED]
    assert lines[-1].deviations[:2] == (
        "is a second entry of this name", "is root by another name (uid 0)"
    )  # fmt: skip


def test_an_authority_that_is_declared_is_no_deviation() -> None:
    way = "trustedusercakeys /etc/ssh/user_authorities"
    anna = replace(LIVE["anna"], other_ways=(way,))
    assert compared(anna, declared_ways=[way])[0].state is State.DECLARED
    assert compared(anna, declared_ways=["trustedusercakeys /x"])[0].state is State.DIFFERING


def test_a_shell_that_the_system_is_allowed_is_declared_and_no_more_than_that() -> None:
    state = compared(account("git"), system_shells=["git"])[-1].state
    assert state is State.DECLARED
    more = account("git", keys=(key("k"),))
    assert compared(more, system_shells=["git"])[-1].state is State.UNDECLARED


def listed(*live: LiveAccount, **missing: str) -> AccessList:
    return AccessList(tuple(compared(*live)), Live({"web1": live}, missing))


def test_the_exit_code_and_the_last_line() -> None:
    fine, strange = listed(*LIVE.values()), listed(*LIVE.values(), account("eve"))
    unseen = listed(*LIVE.values(), account("eve"), web2="no answer over SSH")
    assert [each.exit_code for each in (fine, strange, unseen)] == [
        ExitCode.OK, ExitCode.FINDINGS, ExitCode.INCOMPLETE
    ]  # fmt: skip
    assert fine.summary == "4 declared"
    assert unseen.summary == "4 declared, 1 undeclared; web2: no answer over SSH"


def test_the_same_rights_are_the_same_list_whoever_logged_in_since() -> None:
    before = listed(*LIVE.values()).digest
    seen = replace(LIVE["anna"], last_login="2026-11-24T10:00:00+00:00")
    assert listed(*(LIVE | {"anna": seen}).values()).digest == before
    other = replace(LIVE["anna"], keys=(key("eve"),))
    assert listed(*(LIVE | {"anna": other}).values()).digest != before


def test_one_account_alone() -> None:
    found = listed(*LIVE.values(), account("eve"))
    assert found.of_account("anna").exit_code is ExitCode.OK
    assert found.of_account("eve").exit_code is ExitCode.FINDINGS
    with pytest.raises(PasInfraError, match="neither declared nor an account"):
        found.of_account("nobody")
    # Of a host that was not seen nobody can say that the account is not there.
    assert listed(web2="off").of_account("nobody").exit_code is ExitCode.INCOMPLETE


def test_a_review_decides_on_each_account_once_by_its_worst_host() -> None:
    anna, ben = LIVE["anna"], LIVE["ben"]
    lines = [*compared(anna, ben), *compared(replace(anna, keys=()), host="web2")]
    found = AccessList(tuple(lines), Live({"web1": (anna, ben), "web2": (anna,)}, {})).reviewed
    assert [(each.account, each.hosts, each.state) for each in found] == [
        ("anna", ("web1", "web2"), State.DIFFERING), ("ben", ("web1",), State.DECLARED)
    ]  # fmt: skip
    assert (found[0].who, found[0].rights) == ("Anna", ("Everything",))
