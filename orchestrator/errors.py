"""Errors that say what, where and what to do next, each with its exit code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.exit_codes import ExitCode


class PasInfraError(Exception):
    """An error that an operator can act upon; the command line shows it without a traceback."""

    exit_code = ExitCode.ERROR

    def __init__(
        self, what: str, *, where: str | Path | None = None, next_step: str | None = None
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.next_step = next_step


class Locked(PasInfraError):
    """Another run holds the environment."""

    exit_code = ExitCode.LOCKED


class Incomplete(PasInfraError):
    """A host or a result is missing, so nothing can be said; never reported as fine."""

    exit_code = ExitCode.INCOMPLETE


class Interrupted(PasInfraError):
    """The operator stopped the command."""

    exit_code = ExitCode.INTERRUPTED


def refusal(error: OSError) -> PasInfraError:
    """What this machine refused (a full disk, a missing permission), as an error of ours."""
    return PasInfraError(
        f"this machine refused: {error.strerror or error}",
        where=str(error.filename),
        next_step="make its directory, or name another place"
        if isinstance(error, FileNotFoundError)
        else "make room or give yourself the right to it, then run the command again",
    )


@dataclass(frozen=True, order=True)
class Problem:
    """One fault of the configuration: where it stands (line 1-based, if known) and the remedy."""

    file: Path
    line: int | None
    what: str
    next_step: str

    @property
    def where(self) -> str:
        """`file:line`, the form that editors and terminals make clickable."""
        return f"{self.file}:{self.line}" if self.line else str(self.file)


class ConfigurationInvalid(PasInfraError):
    """Every problem found, all at once; nothing was run."""

    exit_code = ExitCode.CONFIGURATION

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(
            f"the configuration has {count} problem{'s' if count > 1 else ''}; nothing was run"
        )
        self.problems = tuple(sorted(problems, key=lambda p: (str(p.file), p.line or 0, p.what)))
