"""Runs on a host: other programs are asked, in their plain language and for so long only."""

import shlex
import shutil
import subprocess

_PATIENCE = 30  # seconds
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# Kind of object, name, property: what every part of the collector gives.
Objects = dict[str, dict[str, dict[str, object]]]


class CannotSay(Exception):
    """Nothing can be said of a part of the host, which is not to be taken for nothing there."""


def installed(program: str) -> bool:
    """Whether the host has the program; /usr/local is not looked into."""
    return shutil.which(program, path=_PATH) is not None


def output(*command: str) -> str:
    """What a command prints; raises CannotSay when it is not there, fails or does not end."""
    try:
        done = subprocess.run(
            command,
            env={"LC_ALL": "C", "PATH": _PATH, "SYSTEMD_COLORS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotSay(f"{shlex.join(command)}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        raise CannotSay(f"{shlex.join(command)}: {said}")
    return done.stdout
