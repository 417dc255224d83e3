"""Vaulted variables: opened in memory, never shown; each reason not to open is named."""

from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from orchestrator.environment import Environment, Vaulted, load_environment
from orchestrator.errors import ConfigurationInvalid, Problem

PASSWORD = "correct horse"  # noqa: S105
CANARY = "canary-7Zq"
ENVIRONMENT = """\
kind: production
description: A small one
control_node: {place: {city: Lille, country: FR}}
hosts: {web1: {function: Web, supplier: Me, place: {city: Lille, country: FR}}}
variables: [some_token, plain]
vault:
  VAULT
"""


def vaulted(text: str, password: str = PASSWORD) -> str:
    secret = VaultSecret(password.encode())
    ciphertext: bytes = VaultLib([("default", secret)]).encrypt(text)
    return ciphertext.decode()


def scalar(text: str, password: str = PASSWORD) -> str:
    return "some_token: !vault |\n" + "".join(
        f"  {line}\n" for line in vaulted(text, password).splitlines()
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    specs = tmp_path / "roles/web/meta/argument_specs.yml"
    specs.parent.mkdir(parents=True)
    specs.write_text(
        "argument_specs: {main: {options: {web_port: {type: int},"
        " web_mode: {type: str, choices: [a]}, web_list: {type: list}}}}\n"
    )
    (tmp_path / "small/group_vars").mkdir(parents=True)
    (tmp_path / "small/hosts.yml").write_text("all: {hosts: {web1: {ansible_host: 192.0.2.1}}}\n")
    return tmp_path


def prepare(project: Path, *, variables: str, vault: str = "password_file: secret") -> None:
    small = project / "small"
    small.joinpath("environment.yml").write_text(ENVIRONMENT.replace("VAULT", vault))
    small.joinpath("secret").write_text(f"{PASSWORD}\n")
    small.joinpath("group_vars/all.yml").write_text(variables)


def load(project: Path) -> Environment:
    return load_environment(project / "small", project=project)


def problems_of(project: Path) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationInvalid) as caught:
        load(project)
    assert CANARY not in repr(caught.value.problems)
    return caught.value.problems


WAYS = {
    "file": "password_file: secret",
    "command": "password_command: [cat, secret]",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_vaulted_scalar_becomes_a_marker(project: Path, way: str) -> None:
    prepare(project, variables=f"plain: x\n{scalar(CANARY)}", vault=WAYS[way])
    environment = load(project)
    variables = environment.host("web1").variables
    assert variables["plain"] == "x"
    assert variables["some_token"] == Vaulted(f"{project}/small/group_vars/all.yml:2")
    assert str(variables["some_token"]) == "<vaulted>"
    assert CANARY not in repr(environment)


def test_a_vaulted_file_is_checked_and_not_shown(project: Path) -> None:
    prepare(project, variables=vaulted(f"some_token: {CANARY}\nweb_port: 22\n"))
    environment = load(project)
    variables = environment.host("web1").variables
    assert all(isinstance(variables[name], Vaulted) for name in ("some_token", "web_port"))
    assert CANARY not in repr(environment)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"web_port: {CANARY}\n", "web_port must be a whole number, but is text"),
        (f"web_mode: {CANARY}\n", "web_mode has a value outside its choices: text"),
        (f"some_tokn: {CANARY}\n", "the variable `some_tokn` is unknown"),
        (f"some_token: *{CANARY}\n", "not valid YAML: not shown"),
        (f"some_token: !{CANARY} x\n", "a key or tag is not valid"),
        (f"- {CANARY}\n", "must be a mapping"),
    ],
)
def test_a_fault_in_a_vaulted_file_does_not_show_its_text(
    project: Path, text: str, what: str
) -> None:
    prepare(project, variables=vaulted(text))
    (problem,) = problems_of(project)
    assert (problem.file.name, problem.line) == ("all.yml", None)
    assert what in problem.what


def test_a_vaulted_scalar_is_text(project: Path) -> None:
    prepare(project, variables=scalar(CANARY).replace("some_token", "web_list"))
    (problem,) = problems_of(project)
    assert problem.what == "web_list must be a list, but is a vaulted secret"


def test_nothing_is_executed_when_nothing_is_vaulted(project: Path) -> None:
    prepare(project, variables="plain: x\n", vault="password_command: [touch, was-run]")
    load(project)
    assert not (project / "small/was-run").exists()


def test_the_password_is_asked_for_once(project: Path) -> None:
    command = "password_command: [sh, -c, 'echo run >> runs; cat secret']"
    prepare(project, variables=scalar("a") + scalar("b").replace("some_", "web_"), vault=command)
    (project / "small/environment.yml").write_text(
        ENVIRONMENT.replace("VAULT", command).replace("plain", "plain, web_token")
    )
    load(project)
    assert (project / "small/runs").read_text() == "run\n"


# The vault setting, then where the problem stands and what it says.
UNREADABLE = {
    "no file": ("password_file: nowhere", "nowhere cannot be read: No such file"),
    "a directory": ("password_file: group_vars", "cannot be read: Is a directory"),
    "an executable": ("password_file: /bin/sh", "is executable"),
    "an empty one": ("password_file: /dev/null", "is empty"),
    "no command": ("password_command: [no-such-command]", "cannot be run: No such file"),
    "failing": ("password_command: [sh, -c, 'echo locked >&2; exit 3']", "code 3: locked"),
    "silent": ("password_command: ['true']", "is empty"),
}


@pytest.mark.parametrize("reason", UNREADABLE)
def test_a_password_that_cannot_be_had_is_one_problem(project: Path, reason: str) -> None:
    vault, what = UNREADABLE[reason]
    prepare(project, variables=scalar("a"), vault=vault)
    (project / "small/group_vars/ungrouped.yml").write_text(vaulted("plain: x"))
    (problem,) = problems_of(project)
    assert (problem.file.name, problem.line) == ("environment.yml", 6)
    assert what in problem.what
    assert problem.next_step


def test_a_command_that_fails_is_not_run_again(project: Path) -> None:
    command = "password_command: [sh, -c, 'echo x >> runs; exit 1']"
    prepare(project, variables=scalar("a"), vault=command)
    (project / "small/group_vars/ungrouped.yml").write_text(vaulted("plain: x"))
    problems_of(project)
    assert (project / "small/runs").read_text() == "x\n"


def test_a_command_that_waits_is_given_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.environment.commands.COMMAND_TIMEOUT", 0.1)
    prepare(project, variables=scalar("a"), vault="password_command: [sleep, '30']")
    (problem,) = problems_of(project)
    assert "gave nothing in" in problem.what


def test_a_wrong_password_is_named_at_each_secret(project: Path) -> None:
    prepare(project, variables=f"plain: x\n{scalar(CANARY, 'another')}")
    (project / "small/group_vars/ungrouped.yml").write_text(vaulted("plain: x", "another"))
    found = [(p.file.name, p.line, p.what) for p in problems_of(project)]
    what = "the environment's vault password does not open this"
    assert found == [("all.yml", 2, what), ("ungrouped.yml", 1, what)]


def test_a_damaged_secret(project: Path) -> None:
    prepare(project, variables="some_token: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  313\n")
    (problem,) = problems_of(project)
    assert (problem.line, problem.what) == (1, "the vaulted text is damaged")


def test_vaulted_without_a_vault(project: Path) -> None:
    prepare(project, variables=scalar("a"))
    declared = project / "small/environment.yml"
    declared.write_text(ENVIRONMENT.partition("vault:")[0])
    (problem,) = problems_of(project)
    assert (problem.file.name, problem.line) == ("all.yml", 1)
    assert "names no vault password" in problem.what
    assert "vault: password_file" in problem.next_step
