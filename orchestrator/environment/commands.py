"""What a program prints that gives a secret: run without a shell, read in memory only."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import PasInfraError

COMMAND_TIMEOUT = 60.0  # seconds; enough for somebody to touch a security key


def ask_program(
    noun: str,
    command: Sequence[str],
    directory: Path,
    *,
    remedy: str,
    timeout: float | None = None,
    stdin: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; whether it failed is the caller's to judge.

    `noun` is what it is called in an error, and `remedy` what to do where it is not there;
    `timeout` is in seconds, `COMMAND_TIMEOUT` without it. Raises PasInfraError when it cannot be
    run or does not end.
    """
    patience = COMMAND_TIMEOUT if timeout is None else timeout
    try:
        return subprocess.run(
            command, cwd=directory, input=stdin, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PasInfraError(
            f"{noun} `{command[0]}` gave nothing in {patience:.0f} s",
            next_step="run it by hand in the environment's directory: it may wait for an answer",
        ) from error
    except OSError as error:
        raise PasInfraError(
            f"{noun} `{command[0]}` cannot be run: {error.strerror}", next_step=remedy
        ) from error


def output_of(
    noun: str,
    command: Sequence[str],
    directory: Path,
    *,
    setting: str,
    timeout: float | None = None,
    about: str = "",
) -> bytes:
    """What a command prints; `about` says what it was asked for, `setting` where it is declared.

    Of one that fails the last line on stderr is shown, and never its stdout. Raises PasInfraError
    as `ask_program` does, and when the command fails.
    """
    done = ask_program(
        noun, command, directory, timeout=timeout, remedy=f"install it, or correct `{setting}`"
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PasInfraError(
            f"{noun} `{command[0]}` failed with code {done.returncode}{about}"
            + (f": {said[-1]}" if said else ""),
            next_step="run it by hand in the environment's directory",
        )
    return done.stdout
