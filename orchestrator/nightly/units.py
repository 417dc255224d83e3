"""The timer that begins the nightly look, and the service that does it, on the control node."""

import pwd
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined

from orchestrator.environment import Environment
from orchestrator.environment.writing import replace_text
from orchestrator.errors import PasInfraError, refusal
from orchestrator.paths import project_root

UNITS = Path("/etc/systemd/system")
# They ask the hosts, keep what they found, and tell it to whoever asks next.
BEFORE = ("inventory", "certs", "backup status", "vulns")
Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Units:
    """The two units of an environment; `name` is without what follows the dot."""

    name: str
    service: str
    timer: str

    @property
    def files(self) -> dict[str, str]:
        """Their contents, by the names of their files."""
        return {f"{self.name}.service": self.service, f"{self.name}.timer": self.timer}


def units_of(environment: Environment) -> Units:
    """What systemd is given; raises PasInfraError for an account that the machine does not have."""
    account = environment.nightly.account
    try:
        home = pwd.getpwnam(account).pw_dir
    except KeyError as error:
        raise PasInfraError(
            f"this machine has no account `{account}`",
            where=environment.directory / "environment.yml",
            next_step=f"useradd --system --create-home {account} (docs/how-to/control-node.md); "
            "or name another one under nightly.account",
        ) from error
    templates = Templates(  # noqa: S701 - units, which are no HTML
        loader=PackageLoader("orchestrator.nightly"), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    metrics = environment.nightly.metrics
    values = {
        "environment": environment.name,
        "directory": environment.directory.resolve(),
        "nightly": environment.nightly,
        "home": home,
        "program": Path(sys.executable).parent / "pas-infra",
        "project": project_root(),
        "before": BEFORE,
        "writes": [environment.store_directory, *([metrics.parent] if metrics else [])],
    }
    service, timer = (
        templates.get_template(f"drift.{kind}.j2").render(values) for kind in ("service", "timer")
    )
    return Units(name_of(environment), service, timer)


def name_of(environment: Environment) -> str:
    """What its units are called."""
    return f"pas-infra-drift-{environment.name}"


def install(units: Units, run: Run, directory: Path = UNITS) -> bool:
    """Have systemd begin it each night; whether anything was changed.

    Raises PasInfraError where this account may not, and when systemd refuses.
    """
    changed = False
    for name, content in units.files.items():
        file = directory / name
        if not file.exists() or file.read_text("utf-8") != content:
            _write(file, content)
            changed = True
    if changed:
        run(["systemctl", "daemon-reload"])
    run(["systemctl", "enable", "--quiet", "--now", f"{units.name}.timer"])
    return changed


def remove(name: str, run: Run, directory: Path = UNITS) -> bool:
    """Have systemd begin it no more; whether there was anything to be removed."""
    files = [directory / f"{name}.{kind}" for kind in ("timer", "service")]
    there = [file for file in files if file.exists()]
    if files[0] in there:
        run(["systemctl", "disable", "--quiet", "--now", f"{name}.timer"])
    for file in there:
        try:
            file.unlink()
        except OSError as error:
            raise refusal(error) from error
    if there:
        run(["systemctl", "daemon-reload"])
    return bool(there)


def run_as_root(command: Sequence[str]) -> None:
    """Run a command; raises PasInfraError with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PasInfraError(
            f"{' '.join(command)}: {done.stderr.strip() or f'ended with {done.returncode}'}",
            next_step="run it as root, on a control node whose init is systemd",
        )


def _write(file: Path, content: str) -> None:
    try:
        replace_text(file, content)
    except OSError as error:
        raise refusal(error) from error
