"""The secret store: the real `age`, and real commands; what they give is used and never shown."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.engine import variables
from orchestrator.engine.handover import secrets_at_hand
from orchestrator.engine.private import private_directory
from orchestrator.environment import Environment, Vaulted, clear_secrets, load_environment
from orchestrator.errors import ConfigurationInvalid, PasInfraError, Problem

CANARY = "canary-7Zq"
ENVIRONMENT = """\
kind: production
description: A small one
control_node: {place: {city: Lille, country: FR}}
hosts:
  web1: {function: Web, supplier: Me, place: {city: Lille, country: FR}}
  web2: {function: Web, supplier: Me, place: {city: Lille, country: FR}}
variables: [token, other, nested, plain]
"""
HOSTS = """\
all:
  hosts: {web1: {ansible_host: 192.0.2.1}, web2: {ansible_host: 192.0.2.2}}
  children: {one: {hosts: {web1: }}}
"""
CLEAR: dict[str, dict[str, Any]] = {
    "all": {"token": f"{CANARY}-all", "other": f"{CANARY}-{{{{ 1 + 1 }}}}"},
    "one": {"nested": {"words": [f"{CANARY}-word"], "number": 7}},
    "web2": {"token": f"{CANARY}-web2\nline two"},
}
needs_age = pytest.mark.skipif(not shutil.which("age"), reason="needs Debian's package age")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    specs = tmp_path / "roles/web/meta/argument_specs.yml"
    specs.parent.mkdir(parents=True)
    specs.write_text("argument_specs: {main: {options: {web_port: {type: int}}}}\n")
    small = tmp_path / "small"
    (small / "group_vars").mkdir(parents=True)
    (small / "hosts.yml").write_text(HOSTS)
    (small / "group_vars/all.yml").write_text("plain: x\n")
    return small


def load(directory: Path, store: str) -> Environment:
    (directory / "environment.yml").write_text(f"{ENVIRONMENT}secrets:\n  {store}\n")
    return load_environment(directory, project=directory.parent)


def problems_of(directory: Path, store: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationInvalid) as caught:
        load(directory, store)
    assert CANARY not in repr(caught.value.problems)
    assert all(problem.next_step for problem in caught.value.problems)
    return caught.value.problems


def identity(directory: Path, name: str) -> str:
    """Make an identity, and return the recipient that it answers to."""
    made = subprocess.run(
        ["age-keygen", "-o", directory / name], capture_output=True, text=True, check=True
    )
    (recipient,) = re.findall(r"age1\w+", made.stderr)
    return str(recipient)


def encrypt(directory: Path, text: str, *recipients: str) -> None:
    to = [word for recipient in recipients for word in ("-r", recipient)]
    command = ["age", *to, "-o", str(directory / "secrets.yml.age")]
    subprocess.run(command, input=text.encode(), check=True)


def printing(text: str) -> str:
    return f"command: {{run: [sh, -c, {json.dumps(f'printf %s {shlex.quote(text)}')}]}}"


def age_file(directory: Path) -> str:
    encrypt(directory, yaml.safe_dump(CLEAR), identity(directory, "anna"))
    return "age: {identity: {file: anna}}"


def age_with_a_command(directory: Path) -> str:
    encrypt(directory, yaml.safe_dump(CLEAR), identity(directory, "anna"))
    return "age: {identity: {command: [cat, anna]}}"


def as_yaml(directory: Path) -> str:
    return printing(yaml.safe_dump(CLEAR))


def as_json(directory: Path) -> str:
    return printing(json.dumps(CLEAR))


STORES = [
    pytest.param(age_file, marks=needs_age),
    pytest.param(age_with_a_command, marks=needs_age),
    as_yaml,
    as_json,
]


@pytest.mark.parametrize("store", STORES)
def test_variables_are_read_as_markers(directory: Path, store: Callable[[Path], str]) -> None:
    environment = load(directory, store(directory))
    one, two = environment.host("web1").variables, environment.host("web2").variables
    secret = {name for name, value in one.items() if isinstance(value, Vaulted)}
    assert (secret, one["plain"]) == ({"token", "other", "nested"}, "x")
    assert "nested" not in two
    assert CANARY not in repr(environment)
    assert environment.secrets.of == CLEAR


def test_what_must_not_be_kept_is_all_of_it_and_each_line(directory: Path) -> None:
    known = clear_secrets(load(directory, as_yaml(directory)))
    assert {f"{CANARY}-all", f"{CANARY}-word", f"{CANARY}-web2", "line two"} <= known


def test_ansible_has_them_as_declared_and_takes_none_for_a_template(directory: Path) -> None:
    environment = load(directory, as_yaml(directory))
    found = variables(environment, ["web1", "web2"], ["token", "other", "nested", "plain"])
    assert found["web1"] == {
        "token": f"{CANARY}-all", "other": f"{CANARY}-{{{{ 1 + 1 }}}}", "plain": "x",
        "nested": CLEAR["one"]["nested"],
    }  # fmt: skip
    assert found["web2"]["token"] == CLEAR["web2"]["token"]
    assert found["web2"]["nested"] is None


def test_a_secret_for_each_entry(directory: Path) -> None:
    """As `pass show` and its like: the name is the last argument, a line end follows."""
    for name in ("one", "two"):
        (directory / name).write_text(f"{CANARY}: {name}\n")
    entries = "{all: {token: one}, web2: {other: two}}"
    environment = load(directory, f"command: {{run: [cat], entries: {entries}}}")
    found = {"all": {"token": f"{CANARY}: one"}, "web2": {"other": f"{CANARY}: two"}}
    assert environment.secrets.of == found


def test_the_store_is_asked_once(directory: Path) -> None:
    asking = f"echo run >> runs; printf %s {shlex.quote(json.dumps(CLEAR))}"
    environment = load(directory, f"command: {{run: [sh, -c, {json.dumps(asking)}]}}")
    clear_secrets(environment)
    with private_directory() as private, secrets_at_hand(environment, private):
        pass
    assert (directory / "runs").read_text() == "run\n"


@needs_age
def test_each_operator_has_an_identity_of_their_own(directory: Path) -> None:
    recipients = [identity(directory, name) for name in ("anna", "ben")]
    encrypt(directory, yaml.safe_dump(CLEAR), *recipients)
    for name in ("anna", "ben"):
        store = f"age: {{identity: {{file: {name}}}}}"
        assert load(directory, store).secrets.of == CLEAR
    identity(directory, "carol")
    (problem,) = problems_of(directory, "age: {identity: {file: carol}}")
    assert (problem.file.name, problem.line) == ("environment.yml", 8)
    assert "none of those to which" in problem.what
    assert "age-keygen -y" in problem.next_step


def test_no_secret_is_an_argument_or_in_the_environment_of_what_is_run(directory: Path) -> None:
    """The whole of what `ansible` is started with, as it sees it."""
    environment = load(directory, as_yaml(directory))
    seen = "lookup('file', '/proc/self/cmdline') ~ lookup('file', '/proc/self/environ')"
    (directory / "group_vars/all.yml").write_text(f'plain: "{{{{ {seen} }}}}"\n')
    text = variables(environment, ["web1"], ["plain"])["web1"]["plain"]
    assert "PAS_INFRA_SECRETS=" in text
    assert "to_json" in text
    assert CANARY not in text


# The store, and what is said of it; where nothing else is said, at the line of the setting.
REFUSED = {
    "no program": ("command: {run: [no-such]}", "`no-such` cannot be run: No such file"),
    "failing": (
        f"command: {{run: [sh, -c, 'echo {CANARY}; echo locked >&2; exit 3']}}",
        "`sh` failed with code 3: locked",
    ),
    "silent": ("command: {run: ['true']}", "printed nothing"),
    "waiting": ("command: {run: [sleep, '30'], timeout: 1}", "gave nothing in 1 s"),
    "no text": (r"command: {run: [printf, '\377']}", "not UTF-8"),
    "no YAML": (printing(f"all: [{CANARY}"), "not valid YAML: not shown"),
    "a lone secret": (printing(CANARY), "must be a mapping, but are text"),
    "a lone secret with a colon": (printing(f"{CANARY}: x"), "neither a group nor a host"),
    "no mapping within": (printing(f"all: {CANARY}"), "secrets of all must be a mapping"),
    "vaulted twice": (printing("all: {token: !vault x}"), "vaulted as well"),
    "an unknown variable": (printing(f"all: {{tokn: {CANARY}}}"), "variable `tokn` is unknown"),
    "a wrong type": (printing(f"all: {{web_port: {CANARY}}}"), "must be a whole number"),
    "twice": (printing(f"all:\n  token: {CANARY}\n  token: x\n"), "not valid"),
    "an entry fails": (
        "command: {run: [cat], entries: {all: {token: nowhere}}}",
        "failed with code 1 for `nowhere`: cat: nowhere",
    ),
    "an entry is empty": (
        "command: {run: ['true'], entries: {all: {token: x}}}",
        "printed nothing for `x`",
    ),
    "no age file": ("age: {identity: {command: [echo, x]}}", "secrets.yml.age is not there"),
    "no identity": ("age: {identity: {file: nowhere}}", "nowhere cannot be read: No such file"),
    "no identity command": (
        "age: {identity: {command: [no-such]}}",
        "the identity command `no-such` cannot be run",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_gives_no_secrets_is_one_problem(directory: Path, reason: str) -> None:
    store, what = REFUSED[reason]
    (problem,) = problems_of(directory, store)
    assert (problem.file.name, problem.line) == ("environment.yml", 8)
    assert what in problem.what


def test_what_a_role_demands_is_not_called_missing_as_well(directory: Path) -> None:
    specs = directory.parent / "roles/web/meta/argument_specs.yml"
    specs.write_text("argument_specs: {main: {options: {web_key: {required: true}}}}\n")
    playbook = directory.parent / "playbooks/site.yml"
    playbook.parent.mkdir()
    playbook.write_text("- {hosts: all, roles: [web]}\n")
    (problem,) = problems_of(directory, "command: {run: ['false']}")
    assert "failed with code 1" in problem.what
    (problem,) = problems_of(directory, "command: {rum: ['false'], run: ['false']}")
    assert "`rum` is unknown" in problem.what
    (problem,) = problems_of(directory, printing(f"web1: {{web_key: {CANARY}}}"))
    assert "needs the variable `web_key`, which is missing for web2" in problem.what


def test_an_entry_for_nobody(directory: Path) -> None:
    store = "command:\n    run: [touch, was-run]\n    entries:\n      wbe1: {token: x}"
    (problem,) = problems_of(directory, store)
    assert (problem.line, problem.what) == (12, "there is no group or host `wbe1`")
    assert problem.next_step == "did you mean `web1`?"
    assert not (directory / "was-run").exists()


def test_a_misshapen_store_is_not_asked(directory: Path) -> None:
    found = problems_of(directory, "command: {run: [touch, was-run], until: 3}")
    assert "`until` is unknown" in found[0].what
    assert not (directory / "was-run").exists()


@pytest.mark.parametrize("place", ["hosts.yml", "group_vars/all.yml", "host_vars/web1.yml"])
def test_a_secret_stands_in_one_place(directory: Path, place: str) -> None:
    """A clear text that was left behind, say: Ansible alone knew which one wins."""
    (directory / "host_vars").mkdir()
    if place == "hosts.yml":
        (directory / place).write_text(HOSTS.replace("192.0.2.1}", "192.0.2.1, token: left}"))
    else:
        (directory / place).write_text("token: left\n")
    found = problems_of(directory, as_yaml(directory))
    assert {Path(problem.where.partition(":")[0]).name for problem in found} == {Path(place).name}
    assert "web1 has `token` from here and from the secret store" in {p.what for p in found}


def test_another_host_may_have_it_vaulted(directory: Path) -> None:
    (directory / "host_vars").mkdir()
    (directory / "host_vars/web1.yml").write_text("token: elsewhere\n")
    environment = load(directory, printing(f"web2: {{token: {CANARY}}}"))
    assert environment.host("web1").variables["token"] == "elsewhere"  # noqa: S105


@needs_age
@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"all: {{tokn: {CANARY}}}", "the variable `tokn` is unknown"),
        (f"all: [{CANARY}", "not valid YAML: not shown"),
        (CANARY, "must be a mapping"),
        ("", "must be a mapping, but are nothing"),
    ],
)
def test_a_fault_within_an_age_file(directory: Path, text: str, what: str) -> None:
    encrypt(directory, text, identity(directory, "anna"))
    (problem,) = problems_of(directory, "age: {identity: {file: anna}}")
    assert (problem.file.name, problem.line) == ("secrets.yml.age", None)
    assert what in problem.what


@needs_age
def test_a_damaged_age_file_and_an_identity_that_others_read(directory: Path) -> None:
    store = age_file(directory)
    file = directory / "secrets.yml.age"
    content = file.read_bytes()
    for damaged in (content[:-1], content[:40], b"", yaml.safe_dump(CLEAR).encode()):
        file.write_bytes(damaged)
        (problem,) = problems_of(directory, store)
        assert f"age does not decrypt {file}: " in problem.what
        assert "restore" in problem.next_step
    file.write_bytes(content)
    (directory / "anna").write_text("no identity\n")
    (problem,) = problems_of(directory, store)
    assert "age does not decrypt" in problem.what
    (directory / "anna").chmod(0o640)
    (problem,) = problems_of(directory, store)
    assert "is open to others (mode 0640)" in problem.what
    assert problem.next_step == f"chmod 600 {directory}/anna"


def test_age_is_not_installed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "secrets.yml.age").touch()
    store = "age: {identity: {command: [/bin/echo, x]}}"
    monkeypatch.setenv("PATH", str(directory))
    (problem,) = problems_of(directory, store)
    assert "`age` cannot be run" in problem.what
    assert problem.next_step == "apt-get install age"


def test_an_age_file_that_nothing_reads(directory: Path) -> None:
    (directory / "secrets.yml.age").touch()
    (directory / "environment.yml").write_text(ENVIRONMENT)
    with pytest.raises(ConfigurationInvalid) as caught:
        load_environment(directory, project=directory.parent)
    (problem,) = caught.value.problems
    assert (problem.file.name, problem.what) == ("secrets.yml.age", "nothing reads this file")


def test_what_the_engine_does_not_hand_over_is_no_variable_that_is_missing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a role's default would take the place of a secret in silence."""
    environment = load(directory, as_yaml(directory))
    monkeypatch.setattr("orchestrator.engine.handover._answer", lambda *_: None)
    monkeypatch.setattr("socket.socket.listen", lambda *_: None)
    with pytest.raises(PasInfraError, match="does not hand over its secrets"):
        variables(environment, ["web1"], ["token"])


CRASH = """\
import os, resource, signal, sys
from orchestrator import cli
def crash(arguments):
    os.kill(os.getpid(), signal.SIGSEGV)
cli.run = crash
if sys.argv[1] == "unlimited":
    resource.setrlimit = lambda *_: None
(crash if sys.argv[1] == "plain" else cli.main)([])
"""


# As it is, as for a handler of the kernel that heeds no limit, and without what is under test.
@pytest.mark.parametrize("started", ["guarded", "unlimited", "plain"])
def test_a_crash_leaves_no_core(tmp_path: Path, started: str) -> None:
    command = f'ulimit -c unlimited; exec "$0" -c "$1" {started}'
    process = subprocess.Popen(["sh", "-c", command, sys.executable, CRASH], cwd=tmp_path)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = status  # it was waited for
    assert os.WTERMSIG(status) == signal.SIGSEGV
    if started == "plain" and not os.WCOREDUMP(status):
        pytest.skip("this machine lets nobody dump core")
    assert os.WCOREDUMP(status) is (started == "plain")
    assert started == "plain" or list(tmp_path.iterdir()) == []


def test_what_the_program_starts_leaves_no_core_either(directory: Path) -> None:
    look = "grep '^Max core' /proc/self/limits > limits; echo '{all: {token: secret}}'"
    (directory / "environment.yml").write_text(
        f"{ENVIRONMENT}secrets:\n  command: {{run: [sh, -c, {json.dumps(look)}]}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "env", "check", directory],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 5, done.stderr  # it lacks what the real roles demand
    assert (directory / "limits").read_text().split()[4:6] == ["0", "0"]


def test_an_environment_as_data_shows_none(directory: Path) -> None:
    """What somebody prints of it without a thought."""
    environment = load(directory, as_yaml(directory))
    assert CANARY not in str(environment)
    assert CANARY not in json.dumps([asdict(host) for host in environment.hosts], default=str)
