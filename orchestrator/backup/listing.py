"""The archives that a repository says it holds, beside those that the catalogue knows."""

from dataclasses import dataclass

from orchestrator.backup.entries import Entry, catalogue_of
from orchestrator.backup.repositories import Repository, lines_to
from orchestrator.backup.session import Tell, work
from orchestrator.environment import Environment
from orchestrator.exit_codes import ExitCode


@dataclass(frozen=True)
class Listed:
    """One archive; `fault` says where repository and catalogue differ.

    `pruned`: that is because a prune was to drop it, and has not ended.
    """

    archive: str
    entry: Entry | None
    fault: str = ""
    pruned: bool = False


def list_archives(environment: Environment, one: Repository, tell: Tell) -> list[Listed]:
    """What the repository holds and what it should."""
    line = lines_to(environment, [one.host])[one.host]
    said = work(line, {"what": "list", "names": [one.name]}, tell)
    there = {str(each["archive"]): str(each["id"]) for each in said["archives"][one.name]}
    catalogue = catalogue_of(environment, one.host)
    known = {entry.archive: entry for entry in catalogue.of(one.name)}
    dropped = set(catalogue.pruned.get(one.name, ()))
    return [
        Listed(name, None, "was to go: pas-infra backup prune ends it", pruned=True)
        if name in dropped
        else Listed(name, known.get(name), _fault(there.get(name), known.get(name)))
        for name in sorted(there.keys() | known.keys())
    ]


def exit_code_of(found: list[Listed]) -> ExitCode:
    """2 when the repository holds something else than was backed up."""
    return ExitCode.FINDINGS if any(one.fault for one in found) else ExitCode.OK


def _fault(there: str | None, known: Entry | None) -> str:
    if there is None:
        return "was made, and is there no more: restore it from root's copies (--kept)"
    if known is None:
        return "is there, and no backup is known that made it"
    return "" if there == known.id else "is another one than was made under this name"
