"""Anybody's machine on the Internet, and the command that drives it."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from orchestrator.paths import project_root, state_directory

STATE = state_directory() / "e2e-scanners"
LAB = "f-scanners"


@dataclass(frozen=True)
class Outsider:
    """The machine in its lab; each answer is an exit code, and what was said."""

    environment: dict[str, str]

    def run(self, command: str, *, stdin: str = "") -> tuple[int, str]:
        """Run a command there."""
        return self.pas_infra("lab", "ssh", "--name", LAB, "outsider", command, stdin=stdin)

    def pas_infra(self, *arguments: str, stdin: str = "") -> tuple[int, str]:
        """Run the installed command against the lab."""
        done = subprocess.run(
            [Path(sys.executable).parent / "pas-infra", *arguments],
            env=self.environment,
            cwd=project_root(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def must(self, *arguments: str) -> str:
        """Run the installed command; it must succeed."""
        code, said = self.pas_infra(*arguments)
        assert code == 0, said
        return said
