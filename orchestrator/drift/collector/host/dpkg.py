"""Runs on a host: which files the packages brought, and what they are to hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.drift.collector.host.packages import installed_packages

_INFO = Path("/var/lib/dpkg/info")
_DIVERSIONS = Path("/var/lib/dpkg/diversions")
_MERGED = ("/bin/", "/sbin/", "/lib/", "/lib64/")
# Nobody runs them, and images leave them out.
_DOCUMENTATION = tuple(
    f"/usr/share/{name}/"
    for name in ("doc", "doc-base", "man", "locale", "info", "lintian", "bug", "help")
)


@dataclass(frozen=True)
class Packaged:
    """Paths by what dpkg knows of them.

    `owner` is the package of every path; `md5` what each file is to hold, configuration apart;
    `configuration` what each file of configuration held when it was installed.
    """

    owner: dict[str, str]
    md5: dict[str, str]
    configuration: dict[str, str]


def packaged() -> Packaged:
    """What the lists of dpkg say, once the diversions are followed."""
    moved = _diversions()
    owner: dict[str, str] = {}
    md5: dict[str, str] = {}
    configuration: dict[str, str] = {}
    for entry in installed_packages():
        name = entry["Package"]
        information = _information(entry)
        for path in _lines(information.with_name(f"{information.name}.list")):
            owner[_where(path, name, moved)] = name
        for line in entry.get("Conffiles", "").splitlines():
            path, _, told = line.strip().partition(" ")
            # Behind the sum may stand `obsolete` or `remove-on-upgrade`: then it may be missing.
            if path and " " not in told:
                configuration[_where(path, name, moved)] = told
        for line in _lines(information.with_name(f"{information.name}.md5sums")):
            digest, _, relative = line.partition("  ")
            path = _where(f"/{relative}", name, moved)
            if not path.startswith(_DOCUMENTATION) and path not in configuration:
                md5[path] = digest
    return Packaged(owner, md5, configuration)


def _information(entry: dict[str, str]) -> Path:
    """The common beginning of the package's files: those of multiarch name their architecture."""
    name, architecture = entry["Package"], entry["Architecture"]
    plain = _INFO / name
    if (_INFO / f"{name}.list").exists():
        return plain
    return _INFO / f"{name}:{architecture}"


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(errors="surrogateescape").splitlines()
    except OSError:  # a package without a file has no sums
        return


def _diversions() -> dict[str, tuple[str, str]]:
    """Where a path's file went, and the package that may use the path itself."""
    lines = list(_lines(_DIVERSIONS))
    groups = zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    return {source: (target, package) for source, target, package in groups}


def _where(path: str, package: str, moved: dict[str, tuple[str, str]]) -> str:
    target, diverting = moved.get(path, (path, package))
    found = path if diverting == package else target
    return merged(found)


def merged(path: str) -> str:
    """The one name of a path that the link /bin, /lib or /sbin leads to."""
    return f"/usr{path}" if path.startswith(_MERGED) else path
