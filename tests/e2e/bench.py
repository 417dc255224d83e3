"""What the tests work with: the installed command, and the lab that it works on."""

import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from orchestrator.paths import project_root, state_directory
from orchestrator.records import TaskResult
from orchestrator.store import Store

HOSTS = ("rbx7", "sysfab", "bastion")
LAB = "e2e"
PROGRAMS = Path(sys.executable).parent
# A fixed place, so that the next session finds and removes what a killed one left running.
STATE = state_directory() / "e2e"
MEMORY = Path("/dev/shm")  # noqa: S108 - looked into, never written
_MARK = "PAS_INFRA_E2E_MARK"


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    def expect(self, code: int) -> "Done":
        assert self.code == code, f"exit {self.code}, not {code}\n{self.stdout}\n{self.stderr}"
        return self


@dataclass
class Started:
    """A command that runs, in a session of its own; `mark` finds whatever it starts."""

    process: subprocess.Popen[str]
    mark: str

    def wait(self, seconds: float = 180) -> Done:
        stdout, stderr = self.process.communicate(timeout=seconds)
        return Done(self.process.returncode, stdout, stderr)

    def descendants(self) -> list[str]:
        """The command lines of everything that it started and that still runs."""
        entry = f"{_MARK}={self.mark}".encode()
        return [
            command
            for pid, command in processes()
            if pid != self.process.pid and entry in _environment(pid)
        ]


@dataclass
class Bench:
    """The installed command, the lab that it works on, and what state the lab's hosts are in."""

    environment: dict[str, str]
    # What the hosts are known to be: a test that changes one sets it to None.
    hosts: Literal["untouched", "hardened"] | None = None

    def pas_infra(self, *arguments: str | Path, code: int | None = None, **more: str) -> Done:
        """Run pas-infra to its end; with `code`, that exit code is asserted."""
        done = self.run("pas-infra", *arguments, **more)
        return done if code is None else done.expect(code)

    def run(self, program: str, *arguments: str | Path, stdin: str = "", **more: str) -> Done:
        """Run a program of the virtual environment to its end; `more` are environment variables."""
        done = subprocess.run(
            [PROGRAMS / program, *arguments],
            env={**self.environment, **more},
            cwd=project_root(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str | Path) -> Started:
        """Start a command and leave it running."""
        mark = uuid.uuid4().hex
        process = subprocess.Popen(
            [PROGRAMS / "pas-infra", *arguments],
            env={**self.environment, _MARK: mark},
            cwd=project_root(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return Started(process, mark)

    def on(self, host: str, command: str, stdin: str = "") -> str:
        """Run a command as root on a host of the lab; it must succeed."""
        line = f"sudo sh -c '{command}'"
        done = self.run("pas-infra", "lab", "ssh", "--name", LAB, host, line, stdin=stdin)
        return done.expect(0).stdout

    def make_untouched(self) -> None:
        """Give every host a fresh disk, unless it is known to have one."""
        if self.hosts != "untouched":
            self.pas_infra("lab", "reset", "--name", LAB, *HOSTS, code=0)
        self.hosts = "untouched"

    def make_hardened(self) -> None:
        """Apply, unless it is known that nothing has changed since the last time."""
        if self.hosts != "hardened":
            self.pas_infra("apply", "--yes", code=0)
        self.hosts = "hardened"

    def cut_power(self, host: str) -> None:
        """End a machine of this lab from one moment to the next."""
        machines = self.pas_infra("lab", "status", "--name", LAB, "--json", code=0).json
        pid = next(machine["pid"] for machine in machines if machine["name"] == host)
        # The machine's own init; systemd-nspawn, which the lab knows, ends with it.
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
        subprocess.run([*sudo, "kill", "-KILL", *children], check=True)
        until(lambda: not Path(f"/proc/{pid}").exists(), 10, f"{host} is off")

    def describe(self) -> str:
        """Which machines run, and the end of what each has said on its console and in its log."""
        said = [self.pas_infra("lab", "status", "--name", LAB).stdout]
        for host in HOSTS:
            machine = STATE / "pas-infra/labs" / LAB / "machines" / host
            console, journal = machine / "console.log", machine / "upper/var/log/journal"
            for command in (
                ("tail", "-n", "15", str(console)),
                ("journalctl", "-n", "30", "--no-pager", "-D", str(journal)),
            ):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                said.append(f"── {host}: {command[0]}\n{done.stdout}{done.stderr}")
        return "\n".join(said)

    def fingerprint(self) -> dict[str, str]:
        """What every host is: a hash of its settings and of its list of packages."""
        listing = (
            'cd /etc && find . -xdev -printf "%p %y %m %U:%G %l\\n" | sort;'
            " find . -xdev -type f -print0 | sort -z | xargs -0 sha256sum; dpkg -l"
        )
        with ThreadPoolExecutor() as pool:
            said = pool.map(lambda host: self.on(host, listing), HOSTS)
        return {
            host: hashlib.sha256(text.encode()).hexdigest()
            for host, text in zip(HOSTS, said, strict=True)
        }

    @property
    def store_directory(self) -> Path:
        return STATE / "pas-infra/environments/lab"

    def results(self, run_id: int) -> list[TaskResult]:
        """What a run has recorded so far; nothing while it has not begun."""
        if not (self.store_directory / "pas-infra.sqlite").exists():
            return []
        with Store.open(self.store_directory, "lab") as store:
            return store.results(run_id) if any(r.id == run_id for r in store.runs(1)) else []

    def next_run(self) -> int:
        """The number that the next run will have."""
        if not (self.store_directory / "pas-infra.sqlite").exists():
            return 1
        with Store.open(self.store_directory, "lab") as store:
            return max((run.id for run in store.runs(1)), default=0) + 1

    def run_of(self, run_id: int) -> Any:
        """A run as `history` shows it."""
        return self.pas_infra("history", str(run_id), "--json", code=0).json


def processes() -> list[tuple[int, str]]:
    """Every process of this machine (and of the lab's containers) with its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if arguments:
                text = arguments.replace(b"\0", b" ").decode(errors="replace").strip()
                found.append((int(entry.name), text))
    return found


def private_directories(pid: int) -> list[Path]:
    """The private directories of a pas-infra process."""
    parents = {MEMORY, Path(os.environ.get("XDG_RUNTIME_DIR") or MEMORY)}
    return [path for parent in parents for path in parent.glob(f"pas-infra-run-{pid}-*")]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def until(
    condition: Callable[[], object], seconds: float, what: str, running: Started | None = None
) -> None:
    """Wait for something to come true; fails when it does not, or when `running` ends before."""
    deadline = time.monotonic() + seconds
    while not condition():
        if running is not None and running.process.poll() is not None:
            pytest.fail(f"it ended before {what}: {running.wait()}")
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
