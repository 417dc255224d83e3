"""Canaries in vaulted variables, used without care: nothing of them is left on the way."""

import base64
import os
import secrets
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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
class Vaulted:
    """An environment with secrets; `tokens` are found in no text but theirs."""

    directory: Path
    password_file: Path
    tokens: tuple[bytes, ...]

    def found_in(self, content: bytes) -> bool:
        return any(token in content for token in self.tokens)


@pytest.fixture
def vaulted(environment_copy: Path, tmp_path: Path) -> Vaulted:
    names = ("inline", "whole", "quoted", "first", "second", "nested", "word", "password")
    tokens = {name: secrets.token_hex(12) for name in names}
    whole = f"canary-{tokens['whole']}"
    password_file = tmp_path / "vault-password"
    password_file.write_text(tokens["password"] + "\n")
    password_file.chmod(0o600)

    folder = environment_copy / "group_vars/all"
    folder.with_suffix(".yml").rename(environment_copy / "all.yml")
    folder.mkdir()
    inline = encrypt(f"canary-{tokens['inline']}", password_file).replace("\n", "\n  ")
    (folder / "main.yml").write_text(
        (environment_copy / "all.yml").read_text() + f"canary_inline: !vault |\n  {inline}\n"
    )
    (environment_copy / "all.yml").unlink()
    clear = {
        "canary_whole": whole,
        "canary_quoted": f'"{tokens["quoted"]}" \\ d\'été',
        "canary_lines": f"--BEGIN--\n{tokens['first']}\n  {tokens['second']}\n--END--\n",
        "canary_nested": {"password": tokens["nested"], "words": [tokens["word"], "mot"]},
    }
    (folder / "secret.yml").write_text(encrypt(yaml.safe_dump(clear), password_file))
    with (environment_copy / "environment.yml").open("a") as file:
        file.writelines(f"  - {name}\n" for name in ("canary_inline", *clear))
    name_password(environment_copy, f"{{password_file: {password_file}}}")
    known = [token.encode() for token in tokens.values()]
    return Vaulted(environment_copy, password_file, (*known, base64.b64encode(whole.encode())))


def encrypt(text: str, password_file: Path) -> str:
    return subprocess.run(
        [PROGRAMS / "ansible-vault", "encrypt", "--vault-password-file", password_file],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def name_password(environment: Path, vault: str) -> None:
    """Write the environment's vault setting, in place of an earlier one."""
    file = environment / "environment.yml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("vault:")]
    file.write_text("\n".join([*lines, f"vault: {vault}"]) + "\n")


@pytest.mark.parametrize(
    ("mode", "strategy", "by_command"),
    [("check", "mitogen", False), ("apply", "linear", True), ("apply", "mitogen", True)],
)
def test_no_canary_is_left(
    bench: Bench, vaulted: Vaulted, mode: str, strategy: str, *, by_command: bool
) -> None:
    if by_command:
        name_password(vaulted.directory, f"{{password_command: [cat, {vaulted.password_file}]}}")
    for host in HOSTS:
        bench.on(host, "rm -f /etc/pas-infra-e2e-*")
    started = time.time()
    done, pid, seen = run_and_watch(bench, vaulted, strategy, mode)
    done.expect(0)
    assert seen == set()

    # The secrets did go that way: they reached the hosts, and were blacked out of what is kept.
    outcome = done.json
    assert (outcome["status"], outcome["gaps"]) == ("ok", [])
    assert any("+whole = •••" in result["diff"] for result in outcome["results"])
    if mode == "apply":
        for host in HOSTS:
            written = bench.on(host, "cat /etc/pas-infra-e2e-secrets").encode()
            assert all(
                token in written for token in vaulted.tokens if token not in password(vaulted)
            )

    assert not vaulted.found_in(done.stdout.encode() + done.stderr.encode())
    left = [str(path) for path in files_since(started) if vaulted.found_in(path.read_bytes())]
    assert left == [str(vaulted.password_file)]
    assert not private_directories(pid)
    for host in HOSTS:
        assert traces_on(bench, host, vaulted) == ""
        bench.on(host, "rm -f /etc/pas-infra-e2e-*")


def password(vaulted: Vaulted) -> bytes:
    return vaulted.password_file.read_bytes()


def run_and_watch(
    bench: Bench, vaulted: Vaulted, strategy: str, mode: str
) -> tuple[Done, int, set[str]]:
    """Run the playbook; returns also its process and where a canary was seen meanwhile."""
    command: list[str | Path] = [
        sys.executable,
        HERE / "play.py",
        vaulted.directory,
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
            seen |= {text for text in commands if vaulted.found_in(text.encode())}
            for private in private_directories(process.pid):
                looked_into += 1
                seen |= set(spilled(private, vaulted))
            time.sleep(0.02)
        assert looked_into > 20
        stdout.seek(0)
        stderr.seek(0)
        done = Done(process.returncode, stdout.read().decode(), stderr.read().decode())
    return done, process.pid, seen


def spilled(private: Path, vaulted: Vaulted) -> Iterator[str]:
    """The files of a private directory that hold what they must not."""
    try:
        if stat.S_IMODE(private.stat().st_mode) != 0o700:
            yield f"{private} is open to others"
        for path in private.rglob("*"):
            name = path.relative_to(private)
            allowed = any(
                name.match(pattern) or name.parts[0] == "tmp" for pattern in WORKING_FILES
            )
            if path.is_file() and not allowed and vaulted.found_in(path.read_bytes()):
                yield str(name)
    except FileNotFoundError:  # it ended while we looked
        return


def files_since(moment: float) -> Iterator[Path]:
    """Every file of this account, in the places where a run may leave some, changed since then."""
    places = [Path(tempfile.gettempdir()), MEMORY, Path.home() / ".ansible"]
    places.append(STATE / "pas-infra/environments")
    for place in places:
        for directory, below, names in os.walk(place):
            if Path(directory) == STATE / "pas-infra/labs":
                below.clear()  # the disks of the machines: `traces_on` looks there
            for name in names:
                path = Path(directory, name)
                try:
                    found = path.lstat()
                except FileNotFoundError:
                    continue
                mine = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
                if mine and max(found.st_mtime, found.st_ctime) >= moment - 60:
                    yield path


def traces_on(bench: Bench, host: str, vaulted: Vaulted) -> str:
    """Where a host holds a canary, but for the files that the playbook wrote."""
    # By stdin: sudo logs the command.
    return bench.on(
        host,
        "umask 077; cat > /run/e2e-tokens;"
        " grep -rlaFf /run/e2e-tokens /root /home /tmp /var/tmp /var/log /run/log /dev/shm;"
        " journalctl --no-pager -q | grep -aFf /run/e2e-tokens; rm /run/e2e-tokens",
        stdin="\n".join(token.decode() for token in vaulted.tokens),
    )


@pytest.mark.parametrize("command", [("env", "check"), ("plan", "-e"), ("apply", "--yes", "-e")])
def test_a_wrong_password_is_configuration(
    bench: Bench, vaulted: Vaulted, command: tuple[str, ...]
) -> None:
    vaulted.password_file.write_text("not this one\n")
    done = bench.pas_infra(*command, vaulted.directory, code=5)
    main, secret = (
        vaulted.directory / "group_vars/all" / name for name in ("main.yml", "secret.yml")
    )
    line = 1 + main.read_text().splitlines().index("canary_inline: !vault |")
    assert f"{main}:{line}: the environment's vault password does not open this" in done.stderr
    assert f"{secret}:1: the environment's vault password does not open this" in done.stderr
    assert "not this one" not in done.stderr


@pytest.mark.parametrize(
    ("vault", "reason"),
    [
        ("{password_file: nowhere}", "cannot be read: No such file or directory"),
        ("{password_command: ['false']}", "`false` failed with code 1"),
        ("{password_command: [pas-infra-no-such-program]}", "cannot be run: No such file"),
    ],
)
def test_a_password_that_cannot_be_had_is_configuration(
    bench: Bench, vaulted: Vaulted, vault: str, reason: str
) -> None:
    name_password(vaulted.directory, vault)
    done = bench.pas_infra("plan", "-e", vaulted.directory, code=5)
    file = vaulted.directory / "environment.yml"
    line = 1 + [text.split(":")[0] for text in file.read_text().splitlines()].index("vault")
    assert f"{file}:{line}: " in done.stderr
    assert reason in done.stderr
