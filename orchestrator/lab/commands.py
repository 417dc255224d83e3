"""Running the control node's tools: with root's rights where the lab needs them."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from orchestrator.errors import PasInfraError

# The Debian package that brings each tool, for the sentence that says what to install.
PACKAGE_OF = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "slirp4netns": "slirp4netns",
    "nft": "nftables",
    "ip": "iproute2",
    "socat": "socat",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "grub-mkimage": "grub-pc-bin",
}

_NOTHING = subprocess.DEVNULL
_SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def find_tool(name: str) -> str | None:
    """The tool's path; an ordinary user's PATH may lack /usr/sbin, where half of them lie."""
    return shutil.which(name, path=_SYSTEM_PATH)


def missing_tools(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The tools that are not on this machine, and the Debian packages that bring them."""
    missing = [name for name in names if find_tool(name) is None]
    return missing, sorted({PACKAGE_OF[name] for name in missing})


def require_tools(names: Iterable[str]) -> None:
    """Raise PasInfraError naming every missing tool and the packages to install."""
    missing, packages = missing_tools(names)
    if missing:
        raise PasInfraError(
            f"the lab needs {', '.join(missing)}, not found on this machine",
            next_step=f"apt-get install --no-install-recommends {' '.join(packages)}",
        )


def privilege_prefix() -> list[str]:
    """What to put before a command that needs root: nothing, or sudo that asks no question."""
    return [] if os.geteuid() == 0 else ["sudo", "-n"]


def privilege_problem() -> PasInfraError | None:
    """Why root's rights are not at hand without a prompt; None when they are."""
    prefix = privilege_prefix()
    if not prefix:
        return None
    if shutil.which("sudo") is None:
        return PasInfraError(
            "the lab makes network namespaces and mounts, which only root may",
            next_step="run it as root, or install sudo and give this account the right to use it",
        )
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        return PasInfraError(
            "sudo asks for a password, and the lab starts in the background where nobody answers",
            next_step="run `sudo -v` first, or run the command as root",
        )
    return None


def require_privilege() -> None:
    """Raise PasInfraError unless root's rights are at hand without a prompt."""
    problem = privilege_problem()
    if problem is not None:
        raise problem


def run(
    arguments: Sequence[str | Path],
    *,
    privileged: bool = False,
    stdin: str | int | None = None,
    timeout: float | None = None,
) -> str:
    """Run one command to its end and return its stdout; `stdin` is a text or a file descriptor.

    Raises PasInfraError with the command and what it said on stderr.
    """
    command = [*(privilege_prefix() if privileged else []), *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            # Never the caller's: a tool that asks a question would wait for an answer.
            stdin=_NOTHING if stdin is None else stdin if isinstance(stdin, int) else None,
            input=stdin if isinstance(stdin, str) else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "PATH": _SYSTEM_PATH},
        )
    except FileNotFoundError as error:
        raise PasInfraError(
            f"{command[0]} is not on this machine",
            where=" ".join(command),
            next_step="pas-infra doctor says what to install",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PasInfraError(
            f"{arguments[0]} did not end within {timeout:.0f} s", where=" ".join(command)
        ) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise PasInfraError(
            f"{arguments[0]} failed with exit code {done.returncode}: "
            + ("; ".join(said[-5:]) or "it said nothing"),
            where=" ".join(command),
        )
    return done.stdout


def run_tied(arguments: Sequence[str | Path], *, timeout: float) -> str:
    """Run, as root and as `run` does, a command that ends when this process does, however it ends.

    For what takes long: a killed command line leaves nothing at work. It sees processes and mounts
    of its own only, so whatever it starts ends with it.
    """
    script = resources.files("orchestrator.lab") / "tied.sh"
    with _open_pipe() as reading:
        return run(["sh", str(script), *arguments], privileged=True, stdin=reading, timeout=timeout)


@contextmanager
def _open_pipe() -> Iterator[int]:
    """The end to read of a pipe that the kernel closes when this process ends."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(writing)
        os.close(reading)


def succeeds(arguments: Sequence[str | Path], *, privileged: bool = False) -> bool:
    """Whether a command that asks a question of the machine answers yes (exit code 0)."""
    command = [*(privilege_prefix() if privileged else []), *map(str, arguments)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**os.environ, "PATH": _SYSTEM_PATH},
    )
    return done.returncode == 0


def start(arguments: Sequence[str | Path], *, log: Path, privileged: bool = True) -> None:
    """Start a process that outlives this one: a session of its own, its output to `log`."""
    command = [*(privilege_prefix() if privileged else []), *map(str, arguments)]
    with log.open("ab") as output:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PATH": _SYSTEM_PATH},
        )
