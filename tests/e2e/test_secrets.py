"""Canaries in secret variables, used without care: nothing of them is left on the way."""

import base64
import os
import secrets
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from e2e.bench import HOSTS, MEMORY, PROGRAMS, STATE, Bench, Done, private_directories, processes
from orchestrator.paths import project_root

HERE = Path(__file__).parent
# In memory, for this account alone, and gone at the end: where Ansible works on what it is about
# to send, and how its process hands an event over to ansible-runner's.
WORKING_FILES = ("tmp/*", "artifacts/run/job_events/*-partial.json*")


@dataclass(frozen=True)
class Canaries:
    """An environment with secrets, whose tokens are found in no text but theirs.

    `used` reach the hosts; `keys` open the others. `kept` is the one file that may hold any.
    """

    directory: Path
    kept: Path
    used: tuple[bytes, ...]
    keys: tuple[bytes, ...] = ()

    def found_in(self, content: bytes) -> bool:
        return any(token in content for token in self.used + self.keys)


@dataclass(frozen=True)
class Clear:
    """Canaries before they are put anywhere."""

    variables: Mapping[str, object]
    used: tuple[bytes, ...]


@pytest.fixture
def clear(environment_copy: Path) -> Clear:
    names = ("inline", "whole", "quoted", "first", "second", "nested", "word")
    tokens = {name: secrets.token_hex(12) for name in names}
    whole = f"canary-{tokens['whole']}"
    variables = {
        "canary_inline": f"canary-{tokens['inline']}",
        "canary_whole": whole,
        "canary_quoted": f'"{tokens["quoted"]}" \\ d\'été',
        "canary_lines": f"--BEGIN--\n{tokens['first']}\n  {tokens['second']}\n--END--\n",
        "canary_nested": {"password": tokens["nested"], "words": [tokens["word"], "mot"]},
    }
    with (environment_copy / "environment.yml").open("a") as file:
        file.writelines(f"  - {name}\n" for name in variables)
    known = [token.encode() for token in tokens.values()]
    return Clear(variables, (*known, base64.b64encode(whole.encode())))


@pytest.fixture
def vaulted(environment_copy: Path, tmp_path: Path, clear: Clear) -> Canaries:
    """One in a scalar of its own, the others in a file that is vaulted as a whole."""
    password = secrets.token_hex(12)
    password_file = tmp_path / "vault-password"
    password_file.write_text(password + "\n")
    password_file.chmod(0o600)
    folder = environment_copy / "group_vars/all"
    folder.with_suffix(".yml").rename(environment_copy / "all.yml")
    folder.mkdir()
    whole = dict(clear.variables)
    inline = encrypt(str(whole.pop("canary_inline")), password_file).replace("\n", "\n  ")
    (folder / "main.yml").write_text(
        (environment_copy / "all.yml").read_text() + f"canary_inline: !vault |\n  {inline}\n"
    )
    (environment_copy / "all.yml").unlink()
    (folder / "secret.yml").write_text(encrypt(yaml.safe_dump(whole), password_file))
    declare(environment_copy, f"vault: {{password_file: {password_file}}}")
    return Canaries(environment_copy, password_file, clear.used, (password.encode(),))


@pytest.fixture
def vaulted_by_command(vaulted: Canaries) -> Canaries:
    """The same, with a command that prints the password."""
    declare(vaulted.directory, f"vault: {{password_command: [cat, {vaulted.kept}]}}")
    return vaulted


@pytest.fixture
def encrypted_with_age(environment_copy: Path, tmp_path: Path, clear: Clear) -> Canaries:
    """All of them in one file that an operator's identity opens."""
    identity = tmp_path / "identity"
    subprocess.run(["age-keygen", "-o", identity], capture_output=True, check=True)
    said = identity.read_text()
    recipient = said.partition("public key: ")[2].split()[0]
    subprocess.run(
        ["age", "-r", recipient, "-o", environment_copy / "secrets.yml.age"],
        input=yaml.safe_dump({"all": clear.variables}).encode(),
        check=True,
    )
    declare(environment_copy, f"secrets: {{age: {{identity: {{file: {identity}}}}}}}")
    return Canaries(environment_copy, identity, clear.used, (said.split()[-1].encode(),))


@pytest.fixture
def printed_by_command(environment_copy: Path, tmp_path: Path, clear: Clear) -> Canaries:
    """All of them from a program, whose own file stands for a password manager."""
    manager = tmp_path / "manager"
    manager.write_text(yaml.safe_dump({"all": clear.variables}))
    manager.chmod(0o600)
    declare(environment_copy, f"secrets: {{command: {{run: [cat, {manager}]}}}}")
    return Canaries(environment_copy, manager, clear.used)


def encrypt(text: str, password_file: Path) -> str:
    return subprocess.run(
        [PROGRAMS / "ansible-vault", "encrypt", "--vault-password-file", password_file],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def declare(environment: Path, setting: str) -> None:
    """Write a setting of one line into environment.yml, in place of an earlier one."""
    file, key = environment / "environment.yml", setting.partition(":")[0]
    lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{key}:")]
    file.write_text("\n".join([*lines, setting]) + "\n")


@pytest.mark.parametrize(
    ("store", "mode", "strategy"),
    [
        pytest.param("vaulted", "check", "mitogen", marks=pytest.mark.full),
        pytest.param("vaulted_by_command", "apply", "linear", marks=pytest.mark.full),
        ("encrypted_with_age", "apply", "mitogen"),
        pytest.param("printed_by_command", "apply", "mitogen", marks=pytest.mark.full),
    ],
)
def test_no_canary_is_left(
    bench: Bench, request: pytest.FixtureRequest, store: str, mode: str, strategy: str
) -> None:
    canaries: Canaries = request.getfixturevalue(store)
    for host in HOSTS:
        bench.on(host, "rm -f /etc/pas-infra-e2e-*")
    started = time.time()
    done, pid, seen = run_and_watch(bench, canaries, strategy, mode)
    done.expect(0)
    assert seen == set()

    # The secrets did go that way: they reached the hosts, and were blacked out of what is kept.
    outcome = done.json
    assert (outcome["status"], outcome["gaps"]) == ("ok", [])
    assert any("+whole = •••" in result["diff"] for result in outcome["results"])
    if mode == "apply":
        for host in HOSTS:
            written = bench.on(host, "cat /etc/pas-infra-e2e-secrets").encode()
            assert all(token in written for token in canaries.used)

    assert not canaries.found_in(done.stdout.encode() + done.stderr.encode())
    left = [str(path) for path in files_since(started) if canaries.found_in(path.read_bytes())]
    assert left == [str(canaries.kept)]
    assert not private_directories(pid)
    for host in HOSTS:
        assert traces_on(bench, host, canaries) == ""
        bench.on(host, "rm -f /etc/pas-infra-e2e-*")


def run_and_watch(
    bench: Bench, canaries: Canaries, strategy: str, mode: str
) -> tuple[Done, int, set[str]]:
    """Run the playbook; returns also its process and where a canary was seen meanwhile."""
    command: list[str | Path] = [
        sys.executable,
        HERE / "play.py",
        canaries.directory,
        HERE / "playbooks/secrets.yml",
    ]
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [*command, strategy, mode],
            env=bench.environment,
            cwd=project_root(),
            stdout=stdout,
            stderr=stderr,
        )
        seen: set[str] = set()
        looked_into = 0
        while process.poll() is None:
            commands = [text for _, text in processes()]
            seen |= {text for text in commands if canaries.found_in(text.encode())}
            for private in private_directories(process.pid):
                looked_into += 1
                seen |= set(spilled(private, canaries))
            time.sleep(0.02)
        assert looked_into > 20
        stdout.seek(0)
        stderr.seek(0)
        done = Done(process.returncode, stdout.read().decode(), stderr.read().decode())
    return done, process.pid, seen


def spilled(private: Path, canaries: Canaries) -> Iterator[str]:
    """The files of a private directory that hold what they must not."""
    try:
        if stat.S_IMODE(private.stat().st_mode) != 0o700:
            yield f"{private} is open to others"
        for path in private.rglob("*"):
            name = path.relative_to(private)
            allowed = any(
                name.match(pattern) or name.parts[0] == "tmp" for pattern in WORKING_FILES
            )
            if path.is_file() and not allowed and canaries.found_in(path.read_bytes()):
                yield str(name)
    except FileNotFoundError:  # it ended while we looked
        return


def files_since(moment: float) -> Iterator[Path]:
    """Every file of this account, in the places where a run may leave some, changed since then."""
    places = [Path(tempfile.gettempdir()), MEMORY, Path.home() / ".ansible"]
    places.append(STATE / "pas-infra/environments")
    since = f"@{moment - 60:.0f}"
    # The disks of the machines are not gone through: `traces_on` looks there.
    apart = ("-path", STATE / "pas-infra/labs", "-prune", "-o")
    recent = ("(", "-newermt", since, "-o", "-newerct", since, ")")
    found = subprocess.run(
        ["find", *places, *apart, "-type", "f", "-uid", str(os.geteuid()), *recent, "-print0"],
        stdout=subprocess.PIPE,
        check=False,  # what goes away meanwhile is a failure to it
    )
    for name in found.stdout.split(b"\0")[:-1]:
        path = Path(os.fsdecode(name))
        if path.exists():
            yield path


def traces_on(bench: Bench, host: str, canaries: Canaries) -> str:
    """Where a host holds a canary, but for the files that the playbook wrote."""
    # By stdin: sudo logs the command.
    return bench.on(
        host,
        "umask 077; cat > /run/e2e-tokens;"
        " grep -rlaFf /run/e2e-tokens /root /home /tmp /var/tmp /var/log /run/log /dev/shm;"
        " journalctl --no-pager -q | grep -aFf /run/e2e-tokens; rm /run/e2e-tokens",
        stdin="\n".join(token.decode() for token in (canaries.used + canaries.keys)),
    )


@pytest.mark.parametrize("command", [("env", "check"), ("plan", "-e"), ("apply", "--yes", "-e")])
def test_a_wrong_password_is_configuration(
    bench: Bench, vaulted: Canaries, command: tuple[str, ...]
) -> None:
    vaulted.kept.write_text("not this one\n")
    done = bench.pas_infra(*command, vaulted.directory, code=5)
    main, secret = (
        vaulted.directory / "group_vars/all" / name for name in ("main.yml", "secret.yml")
    )
    line = 1 + main.read_text().splitlines().index("canary_inline: !vault |")
    assert f"{main}:{line}: the environment's vault password does not open this" in done.stderr
    assert f"{secret}:1: the environment's vault password does not open this" in done.stderr
    assert "not this one" not in done.stderr


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("vault: {password_file: nowhere}", "cannot be read: No such file or directory"),
        ("vault: {password_command: ['false']}", "`false` failed with code 1"),
        ("vault: {password_command: [pas-infra-no-such-program]}", "cannot be run: No such file"),
        ("secrets: {command: {run: ['false']}}", "the secret command `false` failed with code 1"),
    ],
)
def test_a_password_that_cannot_be_had_is_configuration(
    bench: Bench, vaulted: Canaries, setting: str, reason: str
) -> None:
    declare(vaulted.directory, setting)
    done = bench.pas_infra("plan", "-e", vaulted.directory, code=5)
    file, key = vaulted.directory / "environment.yml", setting.partition(":")[0]
    line = 1 + [text.split(":")[0] for text in file.read_text().splitlines()].index(key)
    assert f"{file}:{line}: " in done.stderr
    assert reason in done.stderr
