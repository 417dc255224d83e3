"""Labs of the tests' own: apart from the user's, found and removed again even after a crash."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab.layout import LabLayout
from orchestrator.paths import project_root, state_directory

# A fixed place, so that the next session finds and removes what a killed one left running.
STATE = state_directory() / "e2e-lab"
PROGRAM = Path(sys.executable).parent / "pas-infra"
Environment = Mapping[str, str]
SUDO: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n"]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    def expect(self, code: int) -> "Done":
        assert self.code == code, f"exit {self.code}, not {code}\n{self.stdout}\n{self.stderr}"
        return self


@dataclass(frozen=True)
class Lab:
    """One lab, driven by the installed command."""

    name: str

    @property
    def directory(self) -> Path:
        return STATE / "pas-infra/labs" / self.name

    @property
    def namespace(self) -> str:
        return LabLayout(self.name, self.directory).namespace

    def start(
        self, *arguments: str, environment: Environment | None = None
    ) -> subprocess.Popen[str]:
        """Start `pas-infra lab …` and leave it running."""
        verb, *rest = arguments
        inherited = {name: text for name, text in os.environ.items() if "PAS_INFRA" not in name}
        return subprocess.Popen(
            [PROGRAM, "lab", verb, "--name", self.name, *rest],
            env={**inherited, "XDG_STATE_HOME": str(STATE), **(environment or {})},
            cwd=project_root(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def do(
        self, *arguments: str, code: int | None = 0, environment: Environment | None = None
    ) -> Done:
        """Run `pas-infra lab …` to its end; unless `code` is None, that exit code is asserted."""
        process = self.start(*arguments, environment=environment)
        # Longer than the program waits for a machine: what it says then says more than this.
        stdout, stderr = process.communicate(timeout=900)
        done = Done(process.returncode, stdout, stderr)
        return done if code is None else done.expect(code)

    def on(self, machine: str, command: str) -> str:
        """Run a command as the operator on a machine; it must succeed."""
        return self.do("ssh", machine, command).stdout

    def status(self) -> dict[str, Any]:
        """What `lab status` says of each machine."""
        listed = json.loads(self.do("status", "--json", code=None).stdout)
        return {machine["name"]: machine for machine in listed}

    def running(self) -> dict[str, int]:
        """The pid of every machine that runs and is reached."""
        return {name: found["pid"] for name, found in self.status().items() if found["reachable"]}

    def namespaces(self) -> set[str]:
        """The network namespaces that the lab has: its own, and one of each container."""
        script = (
            f"stat -Lc %i /run/netns/{self.namespace}; "
            f"for p in $(grep -l '/{self.namespace}[/@]' /proc/[0-9]*/cgroup | cut -d/ -f3); "
            "do stat -Lc %i /proc/$p/ns/net; done"
        )
        done = subprocess.run(
            [*SUDO, "sh", "-c", script], capture_output=True, text=True, check=False
        )
        own = str(Path("/proc/self/ns/net").stat().st_ino)
        return set(re.findall(r"^\d+$", done.stdout, re.MULTILINE)) - {own}

    def traces(self, namespaces: set[str] | None = None) -> list[str]:
        """What the lab leaves on this machine; `namespaces` are those that it had."""
        script = Path(__file__).with_name("traces.py")
        command = [
            *SUDO,
            sys.executable,
            str(script),
            self.namespace,
            str(self.directory),
            *(namespaces or ()),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return [line for line in done.stdout.splitlines() if line]

    def holders(self, host: str, text: str) -> list[str]:
        """The files of a host that hold the text, its journal among them."""
        places = "/run /etc /var /root /home /tmp /boot"
        # An image of a disk is one line of gigabytes, of which grep dies.
        search = f"sudo grep -rlaF -f - --exclude='*.img' {places}"
        found = self.ssh(host, search, f"{text}\n")
        # 2: a file has gone, or cannot be read; whoever was killed has seen nothing.
        assert found.returncode in (0, 1, 2), found.stderr
        assert "memory" not in found.stderr
        return found.stdout.split()

    def ssh(self, host: str, command: str, stdin: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a host with something on its stdin, secret or long."""
        return subprocess.run(
            ["ssh", "-F", self.directory / "ssh_config", host, command],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )


def served_by(lab: Lab) -> Environment:
    """The variables by which a program works on a lab; a login that is emulated takes minutes."""
    own = {"XDG_STATE_HOME": str(STATE), "PAS_INFRA_LAB_DIR": str(lab.directory)}
    return {**os.environ, **own, "ANSIBLE_TIMEOUT": "300"}


def start_program(
    lab: Lab, environment: Path, *arguments: str, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    """Start `pas-infra …` on an environment that a lab serves, in a session of its own."""
    return subprocess.Popen(
        [PROGRAM, *arguments, "--env", environment],
        env=served_by(lab),
        cwd=project_root(),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a question is answered on stdin, not on my terminal
    )


@dataclass(frozen=True)
class Site:
    """A lab, and a copy of the environment that declares it, which a test may change."""

    lab: Lab
    environment: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `pas-infra …` on this environment and leave it running."""
        return start_program(self.lab, self.environment, *arguments)

    def pas_infra(self, *arguments: str, code: int = 0) -> Done:
        """Run `pas-infra …` to its end; it must end with that code."""
        process = self.start(*arguments)
        stdout, stderr = process.communicate(timeout=1800)
        return Done(process.returncode, stdout, stderr).expect(code)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a command that was started, and all that it has started."""
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def root(self, host: str, script: str) -> str:
        """What a script prints that root runs on a host; it must succeed."""
        done = self.lab.ssh(host, "sudo sh -s", script)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextlib.contextmanager
def virtual_host(name: str, *, role: str) -> Iterator[Lab]:
    """A lab with rbx7 as a virtual machine, on which the role was applied; gone at the end."""
    made = Lab(name)
    made.do("down", "--erase")
    try:
        made.do("up", "rbx7", "--backend", "qemu")
        state = {"XDG_STATE_HOME": str(STATE), "PAS_INFRA_LAB_DIR": str(made.directory)}
        done = subprocess.run(
            [PROGRAM, "apply", "--yes", "--json", "--role", role, "--limit", "rbx7"],
            env={**os.environ, **state},
            cwd=project_root(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert not json.loads(done.stdout)["failed"]
        yield made
    finally:
        made.do("down", "--erase")


def tamper(lab: Lab, role: str, *more: str | Path) -> None:
    """Try a role's tamperings on rbx7, as tests/tampering is asked to; all must be seen."""
    command = ("-m", "pytest", "-q", "--tb=short", "tests/tampering")
    done = subprocess.run(
        [sys.executable, *command, "--role", role, "--host", "rbx7", *more],
        env=served_by(lab),
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "skipped" not in done.stdout


def links() -> set[str]:
    """This machine's own network interfaces."""
    return {link.name for link in Path("/sys/class/net").iterdir()}


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something to come true; fails when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)
