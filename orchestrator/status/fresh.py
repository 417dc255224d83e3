"""An environment that is looked at again and again, read anew only when its files have changed."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.environment import Environment, find_environment, load_environment

_Stamp = tuple[int, int]


@dataclass
class FreshEnvironment:
    """The environment of a name or path; reading it may ask its secret store, which takes a touch.

    `current` raises as `load_environment` does.
    """

    name: str
    _read: tuple[_Stamp, Environment] | None = field(default=None, init=False)

    def current(self) -> Environment:
        """As its files are now."""
        stamp = _stamp_of(find_environment(self.name))
        if self._read is None or self._read[0] != stamp:
            self._read = stamp, load_environment(self.name)
        return self._read[1]


def _stamp_of(directory: Path) -> _Stamp:
    """How many files there are, and when one of them was last changed."""
    changed = []
    for file in directory.rglob("*"):
        with suppress(FileNotFoundError):  # editors make and remove files of their own meanwhile
            changed.append(file.stat().st_mtime_ns)
    return len(changed), max(changed, default=0)
