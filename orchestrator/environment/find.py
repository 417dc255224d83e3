"""Where environments lie."""

import os
from pathlib import Path

from orchestrator.environment.spelling import remedy
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root


def environment_names() -> list[str]:
    """The environments that can be named, sorted; cheap enough for shell completion."""
    return sorted(
        {
            directory.name
            for root in _roots()
            if root.is_dir()
            for directory in root.iterdir()
            if (directory / "environment.yml").is_file()
        }
    )


def find_environment(name_or_path: str | Path) -> Path:
    """The absolute directory of an environment.

    A name is looked up in `inventories/` of the current directory, then in the project's; what
    holds a `/` (or is a Path) is a directory. Raises PasInfraError when there is none.
    """
    text = os.fspath(name_or_path)
    is_path = isinstance(name_or_path, Path) or os.sep in text or text in {".", ".."}
    candidates = [Path(text)] if is_path else [root / text for root in _roots()]
    for directory in candidates:
        if text and directory.is_dir():
            return directory.resolve()
    names = environment_names()
    raise PasInfraError(
        f"there is no environment `{text}`",
        where=", ".join(str(directory) for directory in candidates),
        next_step=remedy(text, names, f"name one of: {', '.join(names)}, or give a directory"),
    )


def _roots() -> list[Path]:
    roots = (Path.cwd() / "inventories", project_root() / "inventories")
    return list(dict.fromkeys(root.resolve() for root in roots))
