"""Logins with a second factor, tried for real from an administrator's workstation.

The token is OpenSSH's own software one, from the Debian package openssh-tests: the server cannot
tell it from hardware, and asks the same of it.
"""

import hashlib
import hmac
import os
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from orchestrator.paths import project_root, state_directory

STATE = state_directory() / "e2e-factor"
LAB = "f-factor"
HOST = "198.18.0.11"
WORKSTATION = "198.18.0.21"
PROVIDER = "/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so"
SEED = bytes(range(20))
PASSWORD = "Rk7-wTz2.qLm9_xB"  # noqa: S105 - no secret: the account is made here
REFUSED = "Permission denied"

# With the PIN asked for, without, and two that lie in no token.
KEYS = {
    "pin": f"-t ed25519-sk -w {PROVIDER} -O verify-required",
    "touch": f"-t ed25519-sk -w {PROVIDER}",
    "plain": "-t ed25519",
    "coded": "-t ed25519",
    # Known to no account: what opens one are the certificates that the authority gave them.
    "certified": f"-t ed25519-sk -w {PROVIDER} -O verify-required",
    "certified-touch": f"-t ed25519-sk -w {PROVIDER}",
    "ended": f"-t ed25519-sk -w {PROVIDER} -O verify-required",
    "authority": "-t ed25519",
}
SIGN = "ssh-keygen -q -s keys/authority -n amartin"


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    said: str


@dataclass(frozen=True)
class Workstation:
    """An administrator's machine, with their keys; rbx7 knows them."""

    environment: dict[str, str]

    def pas_infra(self, *arguments: str | Path, stdin: str = "") -> Done:
        done = subprocess.run(
            [Path(sys.executable).parent / "pas-infra", *arguments],
            env=self.environment,
            cwd=project_root(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def must(self, *arguments: str | Path, stdin: str = "") -> str:
        done = self.pas_infra(*arguments, stdin=stdin)
        assert done.code == 0, done.said
        return done.said

    def on(self, machine: str, script: str) -> str:
        """Run a script as root on a machine; it must succeed."""
        return self.must("lab", "ssh", "--name", LAB, machine, "sudo bash -eu -s", stdin=script)

    def login(self, account: str, key: str, code: str = "", command: str = "id -un") -> Done:
        """Log in to rbx7, answering with `code` whatever is asked, and run a command there."""
        options = (
            f"-F none -i keys/{key} -o SecurityKeyProvider={PROVIDER} -o IdentitiesOnly=yes "
            "-o IdentityAgent=none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no "
            "-o LogLevel=ERROR -o NumberOfPasswordPrompts=1 -o ConnectTimeout=10"
        )
        asked = f"CODE={code} SSH_ASKPASS=$HOME/answer SSH_ASKPASS_REQUIRE=force"
        batch = "" if code else "-o BatchMode=yes"
        terminal = "-tt" if "sudo" in command else ""
        line = (
            f"{asked} ssh {terminal} {options} {batch} {account}@{HOST} {shlex.quote(command)} "
            "< /dev/null 2>&1"
        )
        return self.pas_infra("lab", "ssh", "--name", LAB, "workstation", line)


def code(step: int = 0) -> str:
    """The one-time code (RFC 6238) of this half minute, or of one `step` away."""
    counter = struct.pack(">Q", int(time.time()) // 30 + step)
    digest = hmac.new(SEED, counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**6:06}"


@pytest.fixture(scope="module")
def workstation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstation]:
    """A lab with rbx7 and the workstation, whose keys people.yml declares; gone at the end."""
    inherited = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PAS_INFRA_", "ANSIBLE_"))
    }
    made = Workstation(
        inherited
        | {"XDG_STATE_HOME": str(STATE), "PAS_INFRA_LAB_DIR": f"{STATE}/pas-infra/labs/{LAB}"}
    )
    made.must("lab", "down", "--name", LAB, "--erase")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        made.must("lab", "up", "--name", LAB, "rbx7", "workstation")
        making = "\n".join(
            f"ssh-keygen -q {options} -N '' -C {name} -f keys/{name}"
            for name, options in KEYS.items()
        )
        said = made.on(
            "workstation",
            f"""exec 3>&1 >&2
            apt-get update < /dev/null
            apt-get install --yes --no-install-recommends openssh-tests < /dev/null
            cd ~ops; mkdir keys
            {making}
            {SIGN} -I c1 -V +1h keys/certified.pub
            {SIGN} -I c2 -V +1h keys/certified-touch.pub
            {SIGN} -I c3 -V -2h:-1h keys/ended.pub
            printf '#!/bin/sh\\necho $CODE\\n' > answer
            chmod +x answer
            chown -R ops: keys answer
            cat $(ls keys/*.pub | grep -v cert.pub) >&3""",
        )
        public = [line for line in said.splitlines() if line.startswith(("ssh-ed", "sk-ssh-ed"))]
        keys = {line.split()[2]: line for line in public}
        environment = declare(tmp_path_factory.mktemp("factor") / "copy", keys)
        narrow = ("--limit", "rbx7", "--role", "accounts", "--role", "ssh")
        made.must("apply", "--env", environment, "--yes", *narrow)
        yield made
    finally:
        made.must("lab", "down", "--name", LAB, "--erase")
        shutil.rmtree(STATE, ignore_errors=True)


def declare(copy: Path, keys: dict[str, str]) -> Path:
    """The lab's environment with these keys for its two persons, and no penalty for failures."""
    shutil.copytree(project_root() / "inventories/lab", copy)
    file = copy / "people.yml"
    people = yaml.safe_load(file.read_text())
    alice, bruno = people["persons"]
    alice["keys"], bruno["keys"] = [keys["pin"], keys["touch"]], [keys["coded"]]
    for entry in (alice, bruno, *people["machines"]):
        entry["valid_until"] = str(entry["valid_until"])
    file.write_text(yaml.safe_dump(people, allow_unicode=True))
    variables = copy / "group_vars/all.yml"
    content = yaml.safe_load(variables.read_text())
    content["accounts_totp_seeds"] = {"bdurand": SEED.hex()}
    content["ssh_user_authorities"] = [keys["authority"]]
    content["ssh_source_penalties_exempt"] = [WORKSTATION]
    variables.write_text(yaml.safe_dump(content, allow_unicode=True, width=10_000))
    return copy


def test_a_token_with_its_pin_opens(workstation: Workstation) -> None:
    done = workstation.login("amartin", "pin")
    assert done.code == 0, done.said
    assert done.said.splitlines()[-1] == "amartin"


@pytest.mark.parametrize("key", ["touch", "plain"])
def test_less_than_a_token_with_its_pin_is_refused(workstation: Workstation, key: str) -> None:
    """The token that was only touched is declared too: the server wants the PIN all the same."""
    done = workstation.login("amartin", key)
    assert done.code == 255
    assert REFUSED in done.said


def test_a_certificate_opens_for_a_while(workstation: Workstation) -> None:
    """A token that no account knows, but the authority does: for an hour, for one account."""
    done = workstation.login("amartin", "certified")
    assert done.code == 0, done.said
    assert REFUSED in workstation.login("bdurand", "certified", code()).said


@pytest.mark.parametrize("key", ["certified-touch", "ended"])
def test_a_certificate_without_pin_or_beyond_its_time_is_refused(
    workstation: Workstation, key: str
) -> None:
    assert REFUSED in workstation.login("amartin", key).said


def test_a_token_opens_no_other_account(workstation: Workstation) -> None:
    assert REFUSED in workstation.login("bdurand", "pin", code()).said


def test_a_key_alone_is_refused(workstation: Workstation) -> None:
    done = workstation.login("bdurand", "coded")
    assert done.code == 255
    assert f"{REFUSED} (keyboard-interactive)" in done.said, "the key was accepted, and not enough"


def test_a_code_without_the_key_is_refused(workstation: Workstation) -> None:
    assert f"{REFUSED} (publickey)" in workstation.login("bdurand", "plain", code()).said


def test_codes_open_once_and_failures_lock(workstation: Workstation) -> None:
    """One after the other: each step needs what the one before has left."""
    workstation.on("rbx7", "faillock --user bdurand --reset")
    used = code()
    opened = workstation.login("bdurand", "coded", used)
    assert opened.code == 0, opened.said
    assert opened.said.splitlines()[-1] == "bdurand"
    assert REFUSED in workstation.login("bdurand", "coded", used).said, "the same code again"
    for _ in range(2):
        wrong = f"{(int(code()) + 1) % 10**6:06}"
        assert REFUSED in workstation.login("bdurand", "coded", wrong).said
    assert REFUSED in workstation.login("bdurand", "coded", code(1)).said, "right, and locked"
    workstation.on("rbx7", "faillock --user bdurand --reset")
    again = workstation.login("bdurand", "coded", code(1))
    assert again.code == 0, again.said


def test_what_an_administrator_does_is_logged_and_recorded(workstation: Workstation) -> None:
    workstation.on("rbx7", f"echo 'amartin:{PASSWORD}' | chpasswd")
    mark = f"seen-{os.getpid()}"
    command = f"echo {PASSWORD} | sudo -S -p '' echo {mark}"
    done = workstation.login("amartin", "pin", command=command)
    assert done.code == 0, done.said
    assert mark in done.said
    said = workstation.on(
        "rbx7",
        f"""journalctl --sync; journalctl -b -t sudo --output cat | grep {mark}
        last=$(sudoreplay -l user amartin | sed -n 's/.*TSID=\\([^ ;]*\\).*/\\1/p' | tail -1)
        sudoreplay -m 0.1 -s 100 "$last\"""",
    )
    assert "amartin" in said
    assert f"COMMAND=/usr/bin/echo {mark}" in said
    assert said.count(mark) >= 2, f"the log names it, the record does not show it: {said}"


def test_a_right_is_no_more_than_it_says(workstation: Workstation) -> None:
    workstation.on("rbx7", f"echo 'bdurand:{PASSWORD}' | chpasswd; faillock --user bdurand --reset")
    workstation.on("rbx7", "sleep $((31 - $(date +%s) % 30))")  # a code that was not used yet
    other = f"echo {PASSWORD} | sudo -S -p '' /usr/bin/systemctl stop ssh.service"
    done = workstation.login("bdurand", "coded", code(1), command=other)
    assert done.code == 1, done.said
    assert "is not allowed to execute" in done.said
