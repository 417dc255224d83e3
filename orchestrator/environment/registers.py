"""Registers: `registers/<name>.yml`, dated entries that are only ever added to."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from orchestrator.environment.lines import Document, parse, read
from orchestrator.environment.shape import shape_problems
from orchestrator.environment.spelling import remedy
from orchestrator.environment.writing import replace_text
from orchestrator.errors import ConfigurationInvalid, Problem

RegisterName = Literal["access_reviews", "vulnerabilities", "workstation_attestations"]
Entry = Mapping[str, Any]

_NAMES: tuple[RegisterName, ...] = get_args(RegisterName)
_FOLDER = "registers"


def read_register(directory: Path, name: RegisterName) -> tuple[Entry, ...]:
    """The entries of an environment's register, oldest first; none when there is no file.

    Raises ConfigurationInvalid with every problem of the file.
    """
    file = register_file(directory, name)
    if not file.exists():
        return ()
    document, problems = read(file)
    if document is not None:
        problems += _document_problems(document, name, date.today())
    if document is None or problems:
        raise ConfigurationInvalid(problems)
    return tuple(_entries(document))


def append(directory: Path, name: RegisterName, entry: Entry, *, today: date) -> Path:
    """Add an entry to a register, which is made when it is the first; returns the file.

    What stands there is kept as it is, comments included. Raises ConfigurationInvalid, and writes
    nothing, when the register would not be valid with it.
    """
    file = register_file(directory, name)
    before = file.read_text("utf-8").rstrip() if file.exists() else "---"
    after = f"{before}\n{_as_yaml(entry)}"
    document, problems = parse(file, after)
    if document is not None:
        problems += _document_problems(document, name, today)
    if problems:
        raise ConfigurationInvalid(problems)
    file.parent.mkdir(exist_ok=True)
    replace_text(file, after)
    return file


def register_file(directory: Path, name: RegisterName) -> Path:
    """Where a register of the environment in `directory` lies."""
    return directory / _FOLDER / f"{name}.yml"


def register_problems(directory: Path, today: date) -> Iterator[Problem]:
    """Every fault of every register of the environment in `directory`."""
    for file in sorted((directory / _FOLDER).glob("[!.]*")):
        name = next((name for name in _NAMES if file.name == f"{name}.yml"), None)
        if name is None:
            known = [f"{name}.yml" for name in _NAMES]
            next_step = remedy(file.name, known, f"a register is one of: {', '.join(known)}")
            yield Problem(file, None, "there is no register of this name", next_step)
            continue
        document, problems = read(file)
        yield from problems
        if document is not None:
            yield from _document_problems(document, name, today)


def _document_problems(document: Document, name: RegisterName, today: date) -> list[Problem]:
    if document.data is None:
        return []
    return shape_problems(document, name) or list(_date_problems(document, today))


def _date_problems(document: Document, today: date) -> Iterator[Problem]:
    """The entries of a register tell what has happened, in the order in which it did."""
    days = [date.fromisoformat(entry["date"]) for entry in _entries(document)]
    for index, day in enumerate(days):
        if day > today:
            yield document.problem(
                (index, "date"), f"the entry is of {day}, a day to come", "correct its date"
            )
        if index and day < days[index - 1]:
            yield document.problem(
                (index, "date"),
                f"the entry is of {day}, the one before it of {days[index - 1]}",
                "keep the entries in the order of their dates, new ones at the end",
            )


def _entries(document: Document) -> Sequence[Any]:
    return document.data if isinstance(document.data, list) else ()


def _as_yaml(entry: Entry) -> str:
    text: str = yaml.safe_dump([dict(entry)], sort_keys=False, allow_unicode=True, width=96)
    return text
