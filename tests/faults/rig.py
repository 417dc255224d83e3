"""One host of a lab of the tests' own, on which changes are made that lock the operator out."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.lab.layout import LabLayout
from orchestrator.paths import project_root, state_directory

# A fixed place, so that the next session finds and removes what a killed one left running.
STATE = state_directory() / "faults"
LAB = "f-faults"
HOST = "rbx7"
PROGRAMS = Path(sys.executable).parent
SUDO: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n"]
COMMITS = "/var/lib/pas-infra/commits"
GUARD = "/root/guard.py"

# Everything that makes a directory what it is, found without the guard's own code.
LISTING = """
import hashlib, json, os, stat, sys
def look(path):
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    content = os.readlink(path) if stat.S_ISLNK(kind) else ""
    if stat.S_ISREG(kind):
        content = hashlib.sha256(open(path, "rb").read()).hexdigest()
    names = os.listxattr(path, follow_symlinks=False)
    attributes = {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in sorted(names)}
    when = 0 if stat.S_ISDIR(kind) else int(status.st_mtime)
    return [oct(status.st_mode), status.st_uid, status.st_gid, when, content, attributes]
found = {}
for top in sys.argv[1:]:
    if os.path.lexists(top):
        found[top] = look(top)
    for place, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(place, name)
            found[path] = look(path)
print(json.dumps(found, sort_keys=True))
"""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    def expect(self, code: int) -> "Done":
        assert self.code == code, f"exit {self.code}, not {code}\n{self.stdout}\n{self.stderr}"
        return self


class Rig:
    """The host, and the commands that work on it."""

    @property
    def lab_directory(self) -> Path:
        return STATE / "pas-infra/labs" / LAB

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("PAS_INFRA_", "ANSIBLE_"))
        }
        return inherited | {
            "XDG_STATE_HOME": str(STATE),
            "PAS_INFRA_LAB_DIR": str(self.lab_directory),
            "ANSIBLE_ROLES_PATH": str(project_root() / "roles"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(STATE / "cp"),
        }

    def start(self, program: str, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a program of the virtual environment, in a session of its own."""
        return subprocess.Popen(
            [PROGRAMS / program, *arguments],
            env=self.environment,
            cwd=project_root(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, program: str, *arguments: str | Path) -> Done:
        """Run a program of the virtual environment to its end."""
        process = self.start(program, *arguments)
        stdout, stderr = process.communicate(timeout=300)
        return Done(process.returncode, stdout, stderr)

    def lab(self, verb: str, *arguments: str) -> Done:
        """Run `pas-infra lab …`; it must succeed."""
        return self.run("pas-infra", "lab", verb, "--name", LAB, *arguments).expect(0)

    def apply(self, environment: str | Path = "lab", *options: str, role: str = "ssh") -> Done:
        """Apply one role to the host."""
        narrow = ("--limit", HOST, "--role", role, "--yes")
        return self.run("pas-infra", "apply", "--env", str(environment), *narrow, *options)

    def playbook(self, path: Path, variables: Mapping[str, object], strategy: str) -> Done:
        """Run a playbook on the host with plain ansible-playbook."""
        config = {"linear": {}, "mitogen": mitogen()}[strategy]
        more = json.dumps(dict(variables))
        process = subprocess.run(
            [PROGRAMS / "ansible-playbook", "-i", "inventories/lab", path, "-e", more],
            env={**self.environment, **config},
            cwd=project_root(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Done(process.returncode, process.stdout, process.stderr)

    def root(self, script: str, *, code: int | None = 0) -> Done:
        """Run a script as root on the host, over a connection that nothing has used before."""
        # What is dropped is not answered: without a limit ssh waits for minutes.
        options = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
        ssh = ["ssh", "-F", str(self.lab_directory / "ssh_config"), *options, HOST]
        done = subprocess.run(
            [*ssh, "sudo -n bash -eu -s"],
            input=script,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found = Done(done.returncode, done.stdout, done.stderr)
        return found if code is None else found.expect(code)

    def listing(self, *paths: str) -> dict[str, Any]:
        """What lies below the paths, with everything that can be told apart."""
        said = self.root(f"python3 -c {shlex.quote(LISTING)} {shlex.join(paths)}").stdout
        found: dict[str, Any] = json.loads(said)
        return found

    def settings(self) -> tuple[dict[str, Any], str]:
        """Everything that says who gets in, and what sshd makes of it."""
        places = ("/etc/ssh", "/etc/pam.d", "/etc/sudoers", "/etc/sudoers.d", "/etc/passwd")
        return self.listing(*places), self.root("sshd -T").stdout

    def armed(self) -> list[str]:
        """What of a commit is left on the host: units, links to them, saved states."""
        said = self.root(
            f"find {COMMITS} -mindepth 1 -type d; find /etc/systemd -name 'pas-infra-rollback*';"
            " systemctl list-units --all --plain --no-legend 'pas-infra-rollback*'"
        ).stdout
        return said.splitlines()

    def overlay(self, path: str) -> str | None:
        """A file of the host as it lies on this machine: for when nobody can log in any more."""
        place = f"{self.lab_directory}/machines/{HOST}/upper{path}"
        found = subprocess.run([*SUDO, "cat", place], capture_output=True, text=True, check=False)
        return found.stdout if found.returncode == 0 else None

    def cut_power(self) -> None:
        """End the machine with everything in it, at once."""
        group = LabLayout(LAB, self.lab_directory).namespace
        # One that has ended meanwhile is as dead as the others; none at all is a fault.
        script = f"""
        found=$(grep -l '/{group}[/@]' /proc/[0-9]*/cgroup | cut -d/ -f3)
        test -n "$found"
        kill -KILL $found || :
        """
        subprocess.run([*SUDO, "sh", "-ec", script], check=True)


def mitogen() -> dict[str, str]:
    """What makes plain ansible-playbook use Mitogen."""
    import ansible_mitogen

    plugins = Path(ansible_mitogen.__file__).parent / "plugins/strategy"
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
