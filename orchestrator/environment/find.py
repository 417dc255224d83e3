"""Where environments lie, and what each says of itself."""

import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.environment.lines import read
from orchestrator.environment.spelling import remedy
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root


@dataclass(frozen=True)
class Summary:
    """An environment in a list; what its environment.yml does not say is None."""

    name: str
    directory: Path
    kind: str | None
    description: str | None


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


def summaries() -> list[Summary]:
    """Every environment that can be named, whether valid or not."""
    rows = []
    for name in environment_names():
        directory = find_environment(name)
        document, _ = read(directory / "environment.yml")
        declared = document.mapping() if document else {}
        kind, description = declared.get("kind"), declared.get("description")
        rows.append(
            Summary(
                name,
                directory,
                kind if isinstance(kind, str) else None,
                description if isinstance(description, str) else None,
            )
        )
    return rows


def _roots() -> list[Path]:
    roots = (Path.cwd() / "inventories", project_root() / "inventories")
    return list(dict.fromkeys(root.resolve() for root in roots))
