"""Grant and revoke change just their lines of people.yml, and never lock anybody out."""

import os
import stat
from pathlib import Path

import pytest
import yaml
from small_environment import ENVIRONMENT, HARDWARE, OTHER, PLAIN
from small_environment import HOSTS_OF_ROLES as HOSTS

from orchestrator.access.edit import grant, revoke
from orchestrator.errors import ConfigurationInvalid, PasInfraError

WAIVERS = "\n".join(
    f"- {{rule: 'second_factor:{account}', reason: A, compensating_measure: A, approver: A, "
    "until: 2099-12-31}"
    for account in ("runner", "probe")
)
SK_KEY_2 = ("sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIEKhjq2VkoclaLo"
            "kZkF9TUGvXQ17/uckwns0Co2eDM7MAAAABHNzaDo= carl@token")  # fmt: skip
MORE = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMsmkU2T4OnpPhhdVqtVREs0hzaT0Dp1qKtdvE+WLkhC "
        "probe@node")  # fmt: skip
PEOPLE = f"""\
---
# Who may do what.
rights:
  administrator: {{description: Everything, sudo: [ALL]}}
  reader: {{description: Logs, groups: [systemd-journal]}}
persons:
  # Anna founded the place.
  - account: anna
    name: Anna Example
    rights: [administrator]
    keys:
      - {HARDWARE}
    second_factor: fido2
    place: {{city: Lille, country: FR}}
    valid_until: 2099-12-31  # prolong it in time

  # Ben breaks the glass.
  - account: ben
    name: Ben Example
    rights: [reader]
    # His only key.
    keys:
      - {PLAIN}
    second_factor: totp
    place: {{city: Paris, country: FR}}
    valid_until: 2099-12-31

# Nobody's.
machines:
  - account: runner
    purpose: Ansible
    owner: anna
    keys: ["{OTHER}"]
    from: [192.0.2.40]
    sudo: [ALL]
    valid_until: 2099-12-31
  - account: probe
    purpose: >-
      Watches the hosts
      day and night
    owner: ben
    from:
      - 192.0.2.41
    forced_command: /usr/bin/true
    valid_until: 2099-12-31
    keys:
      - {MORE}
"""
CARL = {
    "account": "carl",
    "name": "Carl #1 Example",
    "rights": ["reader", "administrator"],
    "hosts": ["web1"],
    "keys": [SK_KEY_2],
    "second_factor": "fido2",
    "place": {"city": "Oslo", "country": "NO"},
    "valid_until": "2099-06-30",
}
CARL_TEXT = f"""\
  - account: carl
    name: 'Carl #1 Example'
    rights: [reader, administrator]
    hosts: [web1]
    keys:
      - {SK_KEY_2}
    second_factor: fido2
    place: {{city: Oslo, country: 'NO'}}
    valid_until: '2099-06-30'
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in {"environment": ENVIRONMENT, "hosts": HOSTS, "waivers": WAIVERS,
                       "people": PEOPLE}.items():  # fmt: skip
        (tmp_path / f"{name}.yml").write_text(text)
    return tmp_path


def edit(directory: Path, old: str, new: str) -> None:
    file = directory / "people.yml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))


def test_grant_adds_its_lines_and_no_other(directory: Path) -> None:
    change = grant(directory, CARL)
    assert change.before == PEOPLE
    assert change.after == PEOPLE.replace("\n# Nobody's", CARL_TEXT + "\n# Nobody's")
    assert (directory / "people.yml").read_text() == PEOPLE, "nothing is written before write()"
    change.write()
    written = yaml.safe_load((directory / "people.yml").read_text())
    assert written["persons"][-1] == CARL


def test_the_diff_is_what_is_written(directory: Path) -> None:
    diff = grant(directory, CARL).diff
    added = [line for line in diff.splitlines() if line.startswith("+") and line[:3] != "+++"]
    assert added == [f"+{line}" for line in CARL_TEXT.splitlines()]
    assert not [line for line in diff.splitlines() if line.startswith("-") and line[:3] != "---"]


def test_grant_takes_the_indentation_that_is_there(directory: Path) -> None:
    flat = "\n".join(line[2:] if line[:2] == "  " else line for line in PEOPLE.splitlines())
    head, _, tail = flat.partition("machines:")
    rights = PEOPLE.partition("persons:")[0]
    text = rights + "persons:" + head.partition("persons:")[2] + "machines:" + tail + "\n"
    (directory / "people.yml").write_text(text)
    after = grant(directory, CARL).after
    assert "\n- account: carl\n  name: 'Carl #1 Example'\n" in after
    assert yaml.safe_load(after)["persons"][-1] == CARL


def test_grant_to_the_last_line_of_a_file_without_newline(directory: Path) -> None:
    head, _, rest = PEOPLE.partition("persons:\n")
    persons, _, machines = rest.partition("\n# Nobody's.\n")
    text = head + machines + "persons:\n" + persons
    (directory / "people.yml").write_text(text.rstrip("\n"))
    assert grant(directory, CARL).after == text + CARL_TEXT


REVOKED = {
    "ben": (PEOPLE.index("  - account: ben"), PEOPLE.index("\n# Nobody's")),
    "probe": (PEOPLE.index("  - account: probe"), len(PEOPLE)),
}


@pytest.mark.parametrize("account", REVOKED)
def test_revoke_removes_its_lines_and_no_other(directory: Path, account: str) -> None:
    edit(directory, "owner: ben", "owner: anna")
    expected = PEOPLE.replace("owner: ben", "owner: anna")
    if account == "ben":
        start, end = REVOKED["ben"]
    else:
        start, end = expected.index("  - account: probe"), len(expected)
    assert revoke(directory, account, operator="anna").after == expected[:start] + expected[end:]


def test_granted_and_revoked_again_nothing_is_left(directory: Path) -> None:
    grant(directory, CARL).write()
    revoke(directory, "carl", operator="anna").write()
    assert (directory / "people.yml").read_text() == PEOPLE


def test_the_last_machine_leaves_an_empty_list(directory: Path) -> None:
    (directory / "hosts.yml").write_text(HOSTS.replace("ansible_user: runner, ", ""))
    edit(directory, "owner: ben", "owner: anna")
    for account in ("runner", "probe"):
        revoke(directory, account, operator="anna").write()
    assert yaml.safe_load((directory / "people.yml").read_text())["machines"] == []


def test_an_account_that_has_ended_can_be_revoked(directory: Path) -> None:
    edit(directory, "owner: ben", "owner: anna")
    text = (directory / "people.yml").read_text()
    ben, anna = text.rpartition("  - account: ben")[::2]
    (directory / "people.yml").write_text(
        ben + "  - account: ben" + anna.replace("2099-12-31", "2020-01-01", 1)
    )
    revoke(directory, "ben", operator="anna").write()


@pytest.mark.parametrize(
    ("account", "operator", "what"),
    [
        ("bne", "anna", "`bne` is not declared"),
        ("ben", "ben", "nobody revokes their own access"),
        ("runner", "runner", "nobody revokes their own access"),
    ],
)
def test_what_cannot_be_revoked(directory: Path, account: str, operator: str, what: str) -> None:
    with pytest.raises(PasInfraError, match=what):
        revoke(directory, account, operator=operator)


@pytest.mark.parametrize(
    ("account", "what"),
    [
        ("anna", "nobody would administer web1"),
        ("runner", "Ansible works on web1 as `runner`, which would lose that right"),
        ("ben", "probe belongs to `ben`, which is no person's account"),
    ],
)
def test_nobody_is_locked_out(directory: Path, account: str, what: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        revoke(directory, account, operator="carl")
    assert what in " ".join(problem.what for problem in caught.value.problems)
    assert (directory / "people.yml").read_text() == PEOPLE


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"account": "root"}, "account of the system"),
        ({"rights": ["admin"]}, "which is not declared"),
        ({"keys": [PLAIN]}, "is ben's already"),
        ({"keys": [OTHER.replace("IPrz", "IPrr")]}, "lies in no token"),
        ({"keys": ["ssh-dss AAAA x"]}, "not accepted"),
        ({"hosts": ["web9"]}, "no host of this environment"),
        ({"valid_until": "2020-01-01"}, "ended on 2020-01-01"),
        ({"second_factor": "sms"}, "one of fido2, totp"),
    ],
)
def test_a_grant_that_is_not_valid_is_refused(
    directory: Path, given: dict[str, object], what: str
) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        grant(directory, CARL | given)
    assert what in " ".join(problem.what for problem in caught.value.problems)
    assert (directory / "people.yml").read_text() == PEOPLE


def test_nobody_is_granted_twice(directory: Path) -> None:
    with pytest.raises(PasInfraError, match="`probe` is declared already"):
        grant(directory, CARL | {"account": "probe"})


def test_lists_in_brackets_are_left_to_an_editor(directory: Path) -> None:
    text = yaml.safe_dump(yaml.safe_load(PEOPLE), default_flow_style=True, width=10_000)
    (directory / "people.yml").write_text(text)
    with pytest.raises(PasInfraError, match="brackets"):
        grant(directory, CARL)
    with pytest.raises(PasInfraError, match="brackets"):
        revoke(directory, "ben", operator="x")


@pytest.mark.parametrize("text", ["", "- x\n", "persons: []\n", "persons: {}\nmachines: []\n"])
def test_a_file_without_its_lists_is_told(directory: Path, text: str) -> None:
    (directory / "people.yml").write_text(text)
    with pytest.raises(PasInfraError, match="no lists"):
        grant(directory, CARL)


def test_a_missing_file_is_told(directory: Path) -> None:
    (directory / "people.yml").unlink()
    with pytest.raises(ConfigurationInvalid) as caught:
        grant(directory, CARL)
    assert "missing" in caught.value.problems[0].what


def test_what_changed_meanwhile_is_not_overwritten(directory: Path) -> None:
    change = grant(directory, CARL)
    edit(directory, "Ben Example", "Benjamin Example")
    with pytest.raises(PasInfraError, match="meanwhile"):
        change.write()
    assert "Benjamin" in (directory / "people.yml").read_text()


def test_the_mode_of_the_file_is_kept_and_nothing_is_left(directory: Path) -> None:
    file = directory / "people.yml"
    file.chmod(0o640)
    before = set(os.listdir(directory))  # noqa: PTH208 - hidden files too, by name
    grant(directory, CARL).write()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert set(os.listdir(directory)) == before  # noqa: PTH208
