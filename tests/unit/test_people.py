"""people.yml: what is declared is understood, and what must not be is told with its line."""

from datetime import date
from pathlib import Path

import pytest
from small_environment import ENVIRONMENT, HARDWARE, HOSTS, OTHER, PLAIN

from orchestrator.environment import Environment, load_environment, public_key
from orchestrator.errors import ConfigurationInvalid, Problem

TODAY = date(2026, 11, 24)
WAIVERS = """\
- rule: second_factor:runner
  reason: A reason
  compensating_measure: A measure
  approver: Somebody
  until: 2026-11-24
"""
SHORT_RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDJbYNLTxI+FdLQKbddC6Op0mii5knc3pryp+4vx/OGGsxnF7Tq"
    "/7+qNrVGQKEtV5f3mBpoXV6+Ilm8CX0tyijrGKBzv/l/9eUhNVGzGBSnxclB4DECV2ohv5zAaiNbCv4Z+OSMY3xO"
    "XqpFGH/0AI4z1PsmboeKuUQjQfA6OsNuLyD/1JpKlVAGkMeAt5Y6dz987r713gP6nyJpxlR5eAGjg0XBQPSXjnqu"
    "N7n2vqs6Si6cDoXHITfrH1DpuR1P6uheS6Ah+UUykD0IU53oMal7ZH3Gf7Lofeijhsnt7ZwTxpum4VvrZnyIPXyB"
    "0jIUgyDDsnZ8azIVNlKrdglmTZJ5 ben@desk"
)
PEOPLE = f"""\
rights:
  administrator: {{description: Everything, sudo: [ALL]}}
  reader: {{description: Logs, groups: [systemd-journal]}}
persons:
  - account: anna
    name: Anna Example
    rights: [administrator]
    keys:
      - {HARDWARE}
    second_factor: fido2
    place: {{city: Lille, country: FR}}
    valid_until: 2026-11-24
  - account: ben
    name: Ben Example
    rights: [reader]
    hosts: [web1]
    keys:
      - {PLAIN}
    second_factor: totp
    place: {{city: Paris, country: FR}}
    valid_until: 2027-06-30
machines:
  - account: runner
    purpose: Runs Ansible
    owner: anna
    keys:
      - {OTHER}
    from: [192.0.2.40]
    sudo: [ALL]
    valid_until: 2027-06-30
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without a role, and one valid environment."""
    directory = tmp_path / "inventories/small"
    directory.mkdir(parents=True)
    (tmp_path / "roles").mkdir()
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks/site.yml").write_text("- hosts: all\n  roles: []\n")
    for name, text in (("environment", ENVIRONMENT), ("hosts", HOSTS), ("waivers", WAIVERS),
                       ("people", PEOPLE)):  # fmt: skip
        (directory / f"{name}.yml").write_text(text)
    return tmp_path


def load(project: Path) -> Environment:
    return load_environment(project / "inventories/small", project=project, today=TODAY)


def problems_of(project: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationInvalid) as caught:
        load(project)
    return caught.value.problems


def test_it_says_who_may_do_what_where(project: Path) -> None:
    people = load(project).people
    assert people is not None
    assert [one.account for one in people.on("web1")] == ["anna", "ben", "runner"]
    assert [one.account for one in people.on("web2")] == ["anna", "runner"]
    assert [people.administers(one) for one in people.on("web1")] == [True, False, True]
    anna, ben = people.persons
    assert anna.keys[0].on_hardware
    assert not ben.keys[0].on_hardware
    assert people.machines[0].origins == ("192.0.2.40",)


def test_an_environment_may_do_without(project: Path) -> None:
    (project / "inventories/small/people.yml").unlink()
    assert load(project).people is None


FAULTS = {
    "unknown right": ("rights: [reader]", "rights: [raeder]", 15, "`raeder`, which", "`reader`"),
    "unknown host": ("hosts: [web1]", "hosts: [wbe1]", 16, "`wbe1`, no host", "`web1`"),
    "no key": (f"keys:\n      - {PLAIN}", "keys: []", 17, "is empty", "OpenSSH"),
    "no second factor": (
        "    second_factor: totp\n", "", 13, "`second_factor` is missing", "fido2"
    ),
    "ECDSA": (PLAIN, "ecdsa-sha2-nistp256 AAAA ben", 18, "`ecdsa-sha2-nistp256`, which", "ed25519"),
    "short RSA": (PLAIN, SHORT_RSA, 18, "an RSA key of 2048 bits", "ssh-keygen"),
    "cut key": (PLAIN, PLAIN[:40], 18, "cannot be decoded", "ssh-keygen"),
    "no key at all": (PLAIN, "hello", 18, "is no public key", "ssh-keygen"),
    "another type inside": (
        PLAIN, PLAIN.replace("ssh-ed25519", "ssh-rsa", 1), 18, "holds another type", "ssh-keygen"
    ),
    "two persons with one key": (PLAIN, HARDWARE, 18, "is anna's already (line 9)", "one account"),
    "one key twice": (
        f"      - {PLAIN}", f"      - {PLAIN}\n      - {PLAIN}", 19, "is ben's already", "once"
    ),
    "a date in the past": ("2026-11-24", "2026-11-23", 12, "anna ended on 2026-11-23", "prolong"),
    "no date": ("2026-11-24", "soon", 12, "must be a date", "last day"),
    "one account twice": ("account: ben", "account: anna", 13, "twice (first in line 5)", "own"),
    "root": ("account: ben", "account: root", 13, "account of the system", "another"),
    "a system account": (
        "account: ben", "account: systemd-network", 13, "of the system", "another"
    ),
    "unknown owner": ("owner: anna", "owner: carl", 25, "belongs to `carl`", "answers for it"),
    "fido2 without a token": (
        "second_factor: totp", "second_factor: fido2", 18, "no token", "enrol"
    ),
    "a machine without keys": (f"    keys:\n      - {OTHER}\n", "", 23, "needs either", "one of"),
    "a machine from nowhere": ("[192.0.2.40]", "[node]", 28, "no address", "192.0.2.0/28"),
    "a machine from everywhere": ("[192.0.2.40]", "[0.0.0.0/0]", 28, "bound to nowhere", "/24"),
    "a machine from all of IPv6": ('[192.0.2.40]', '["2001:db8::/32"]', 28, "to nowhere", "/64"),
    "a machine that may run anything": (
        "    sudo: [ALL]\n    valid", "    valid", 23, "whatever it likes", "one thing"
    ),
    "a second key in a line of its own": (
        f"- {PLAIN}", f'- "{PLAIN}\\n{OTHER}"', 18, "more than one line", "ssh-keygen"
    ),
    "a machine with both": (
        "sudo: [ALL]\n    valid", "sudo: [ALL]\n    forced_command: /bin/x\n    valid", 30,
        "a forced command and sudo", "give one",
    ),
    "nobody administers": (
        "rights: [administrator]", "rights: [reader]", 4, "nobody would administer web1", "keep one"
    ),
    "one host without administrator": (
        "rights: [administrator]", "rights: [administrator]\n    hosts: [web1]", 4,
        "nobody would administer web2", "keep one",
    ),
    "Ansible would lock itself out": (
        "account: runner", "account: walker", 22, "works on web1 as `runner`", "with `sudo: [ALL]`"
    ),
    "Ansible without sudo": (
        "    sudo: [ALL]\n    valid", "    valid", 22, "works on web2 as `runner`", "with `sudo"
    ),
    "a relative command": ("sudo: [ALL]}", "sudo: [rm]}", 2, "an absolute command", "whole"),
    "a negated command": ("sudo: [ALL]}", "sudo: ['/bin/x, !/bin/sh']}", 2, "negations", "whole"),
    "any program of a directory": (
        "sudo: [ALL]}", "sudo: [/usr/bin/]}", 2, "one program", "whole"
    ),
    "any file below": ("sudo: [ALL]}", "sudo: [sudoedit /etc/]}", 2, "one program", "whole"),
    "a regular expression": ("sudo: [ALL]}", "sudo: ['/bin/cat ^.+$']}", 2, "patterns", "whole"),
    "any argument": ("sudo: [ALL]}", "sudo: [/bin/cat /var/log/*]}", 2, "patterns", "whole"),
    "unknown key": ("    name: Ben", "    nmae: Ben", 14, "`nmae` is unknown", "`name`"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "next_step"), FAULTS.values(), ids=FAULTS.keys()
)
def test_what_must_not_be_declared(
    project: Path, old: str, new: str, line: int, what: str, next_step: str
) -> None:
    file = project / "inventories/small/people.yml"
    assert old in PEOPLE
    file.write_text(PEOPLE.replace(old, new, 1))
    found = [p for p in problems_of(project) if p.file.name == "people.yml"]
    told = [p for p in found if what in p.what]
    assert told, [p.what for p in found]
    assert told[0].line == line, told
    assert next_step in told[0].next_step


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (WAIVERS, "[]\n", "that is not waived"),
        ("2026-11-24", "2026-11-23", "was waived until 2026-11-23"),
        ("second_factor:runner", "second_factor:anna", "that is not waived"),
    ],
    ids=["none", "ended", "of somebody else"],
)
def test_a_machine_needs_a_waiver_for_the_second_factor(
    project: Path, old: str, new: str, what: str
) -> None:
    file = project / "inventories/small/waivers.yml"
    file.write_text(WAIVERS.replace(old, new))
    (problem,) = problems_of(project)
    assert (problem.file.name, problem.line) == ("people.yml", 23)
    assert what in problem.what
    assert "second_factor:runner" in problem.next_step


def test_who_may_unlock_disks_is_somebody_declared(project: Path) -> None:
    directory = project / "inventories/small"
    with (directory / "environment.yml").open("a") as file:
        file.write("variables: [initramfs_unlock_keys, made_on_the_spot]\n")
    variables = directory / "group_vars/all.yml"
    variables.parent.mkdir()
    variables.write_text(f"initramfs_unlock_keys:\n  - {PLAIN}\n  - {OTHER}\n")
    load(project)
    people = directory / "people.yml"
    ben = PEOPLE[PEOPLE.index("  - account: ben") : PEOPLE.index("machines:")]
    people.write_text(PEOPLE.replace(ben, ""))
    (problem,) = problems_of(project)
    assert (problem.file, problem.line) == (variables, 2)
    assert "`ben@desk` may unlock disks, and is nobody's key" in problem.what
    # A key that only Ansible can compute may be theirs.
    text = PEOPLE.replace(ben, "").replace(
        f"keys:\n      - {OTHER}", "keys_variable: made_on_the_spot"
    )
    people.write_text(text)
    with variables.open("a") as file:
        file.write("made_on_the_spot: [\"{{ lookup('ansible.builtin.file', 'key.pub') }}\"]\n")
    load(project)


def test_everything_is_told_at_once(project: Path) -> None:
    file = project / "inventories/small/people.yml"
    text = PEOPLE.replace("[reader]", "[raeder]").replace("owner: anna", "owner: carl")
    file.write_text(text.replace("2027-06-30", "2020-06-30"))
    assert [problem.line for problem in problems_of(project)] == [15, 21, 25, 30]


@pytest.mark.parametrize("name", ["lab", "production"])
def test_the_environments_of_the_project_declare_their_people(name: str) -> None:
    people = load_environment(name).people
    assert people is not None
    assert {one.second_factor for one in people.persons} == {"fido2", "totp"}


def test_a_key_has_the_fingerprint_that_openssh_gives_it() -> None:
    # ssh-keygen -l -f - <<< PLAIN
    key = public_key(PLAIN)
    assert (key.kind, key.bits, key.comment) == ("ssh-ed25519", 256, "ben@desk")
    assert key.fingerprint == "SHA256:Wy0H5ECUeuCje6Xb3+om92rIn4pnWm7ZATk1I3ZZ240"
