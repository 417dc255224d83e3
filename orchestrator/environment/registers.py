"""Registers: `registers/<name>.yml`, dated entries that are only ever added to."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from orchestrator.environment.lines import Document, parse, read
from orchestrator.environment.register_definitions import (
    RegisterDefinition,
    register_definition,
    register_definitions,
)
from orchestrator.environment.register_names import known_names, reference_problems
from orchestrator.environment.shape import departures
from orchestrator.environment.spelling import remedy
from orchestrator.environment.writing import replace_text_of, text_of
from orchestrator.errors import ConfigurationInvalid, Problem

Entry = Mapping[str, Any]

_FOLDER = "registers"


@dataclass(frozen=True)
class Recorded:
    """An entry as it stands: its number in the file, from 1, and its line."""

    number: int
    line: int | None
    data: Entry


@dataclass(frozen=True)
class Register:
    """A register of an environment, oldest entry first; `file` need not exist."""

    definition: RegisterDefinition
    file: Path
    entries: tuple[Recorded, ...]

    @property
    def environment(self) -> str:
        """The name of the environment that it belongs to."""
        return self.file.parent.parent.name

    @property
    def uncorrected(self) -> tuple[Recorded, ...]:
        """Every entry that no later one corrects, also those whose key has a newer one."""
        corrected = {entry.data.get("corrects") for entry in self.entries}
        return tuple(entry for entry in self.entries if entry.number not in corrected)

    def standing(self, today: date) -> tuple[Recorded, ...]:
        """What counts on a day: no corrected entry, of each key the last, nothing that has ended.

        In the order in which the keys were first entered.
        """
        last = {self.key_of(entry): entry for entry in self.uncorrected}
        return tuple(
            entry
            for entry in last.values()
            if "ended" not in entry.data or date.fromisoformat(entry.data["ended"]) > today
        )

    def key_of(self, entry: Recorded) -> object:
        """What an entry is about: later ones about the same take its place."""
        return _key(self.definition, entry.data) or entry.number


def read_register(directory: Path, name: str) -> tuple[Entry, ...]:
    """The entries of an environment's register, oldest first; none when there is no file.

    Raises ConfigurationInvalid with every problem of the file.
    """
    file = register_file(directory, name)
    if not file.exists():
        return ()
    document, problems = read(file)
    if document is not None:
        problems += _document_problems(document, register_definition(name), date.today())
    if document is None or problems:
        raise ConfigurationInvalid(problems)
    return tuple(_entries(document))


def read_registers(directory: Path, today: date) -> Mapping[str, Register]:
    """Every register, also those without an entry.

    Raises ConfigurationInvalid with every problem of every file.
    """
    problems = list(register_problems(directory, today))
    if problems:
        raise ConfigurationInvalid(problems)
    documents, _ = _documents(directory)
    return {
        name: Register(definition, register_file(directory, name), _recorded(documents.get(name)))
        for name, definition in register_definitions().items()
    }


def append(
    directory: Path,
    name: str,
    entry: Entry,
    *,
    today: date,
    declared: Mapping[str, Collection[str]] | None = None,
) -> Path:
    """Add an entry to a register, which is made when it is the first; returns the file.

    What stands there is kept as it is, comments included. `declared` is what the environment has
    today, such as its hosts: the new entry may name nothing else, though older ones may. Raises
    ConfigurationInvalid, and writes nothing, when the register would not be valid with it.
    """
    definition = register_definition(name)
    file = register_file(directory, name)
    before = text_of(file)
    after = f"{(before or '---').rstrip()}\n{_as_yaml(entry)}"
    document, problems = parse(file, after)
    if document is not None:
        problems += _document_problems(document, definition, today)
    if document is not None and not problems:
        known = known_names(directory, _documents(directory)[0] | {name: document})
        problems += reference_problems(document, definition, known)
        last = len(_entries(document)) - 1
        problems += reference_problems(
            document, definition, declared or {}, keyword="x-declared", only=last
        )
    if problems:
        raise ConfigurationInvalid(problems)
    file.parent.mkdir(exist_ok=True)
    replace_text_of(file, before, after)
    return file


def register_file(directory: Path, name: str) -> Path:
    """Where a register of the environment in `directory` lies."""
    return directory / _FOLDER / f"{name}.yml"


def register_problems(directory: Path, today: date) -> Iterator[Problem]:
    """Every fault of every register of the environment in `directory`."""
    definitions = register_definitions()
    for file in sorted((directory / _FOLDER).glob("[!.]*")):
        if file.suffix != ".yml" or file.stem not in definitions:
            files = [f"{name}.yml" for name in definitions]
            next_step = remedy(file.name, files, "`pas-infra register list` shows those there are")
            yield Problem(file, None, "there is no register of this name", next_step)
    documents, faults = _documents(directory)
    yield from faults
    sound: dict[str, Document] = {}
    for name, document in documents.items():
        found = _document_problems(document, definitions[name], today)
        yield from found
        if not found:
            sound[name] = document
    # What stands in a file with faults of its own may be what another one names.
    if len(sound) == len(documents) and not faults:
        known = known_names(directory, documents)
        for name, document in documents.items():
            yield from reference_problems(document, definitions[name], known)


def _documents(directory: Path) -> tuple[dict[str, Document], list[Problem]]:
    documents, problems = {}, []
    for name in register_definitions():
        file = register_file(directory, name)
        if file.exists():
            document, found = read(file)
            problems += found
            if document is not None:
                documents[name] = document
    return documents, problems


def _document_problems(
    document: Document, definition: RegisterDefinition, today: date
) -> list[Problem]:
    if document.data is None:
        return []
    return departures(document, definition.schema) or [
        *_date_problems(document, today),
        *_repetitions(document),
        *_corrections(document, definition),
    ]


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


def _repetitions(document: Document) -> Iterator[Problem]:
    entries = _entries(document)
    for index, entry in enumerate(entries):
        first = entries.index(entry)
        if first != index:
            line = document.line((first,))
            yield document.problem(
                (index,), f"the entry repeats entry {first + 1} (line {line})", "remove one of them"
            )


def _corrections(document: Document, definition: RegisterDefinition) -> Iterator[Problem]:
    entries = _entries(document)
    for index, entry in enumerate(entries):
        corrected = entry.get("corrects")
        if corrected is None:
            continue
        if corrected > index:
            yield document.problem(
                (index, "corrects"),
                f"entry {index + 1} corrects entry {corrected}, which is no earlier one",
                "give the number that `pas-infra register show` shows of the entry",
            )
            continue
        own, other = _key(definition, entry), _key(definition, entries[corrected - 1])
        if own != other:
            # Else what the other one is about would silently lose its last word.
            fields, line = ", ".join(definition.key), document.line((corrected - 1,))
            yield document.problem(
                (index, "corrects"),
                f"entry {index + 1} ({', '.join(own)}) corrects entry {corrected} "
                f"({', '.join(other)}, line {line}), which is about another {fields}",
                f"correct an entry of the same {fields}; what was entered under a wrong one is "
                "ended (`ended`), and entered anew under the right one",
            )


def _key(definition: RegisterDefinition, entry: Entry) -> tuple[str, ...]:
    return tuple(str(entry.get(field)) for field in definition.key)


def _recorded(document: Document | None) -> tuple[Recorded, ...]:
    if document is None:
        return ()
    return tuple(
        Recorded(index + 1, document.line((index,)), entry)
        for index, entry in enumerate(_entries(document))
    )


def _entries(document: Document) -> Sequence[Any]:
    return document.data if isinstance(document.data, list) else ()


def _as_yaml(entry: Entry) -> str:
    text: str = yaml.safe_dump([dict(entry)], sort_keys=False, allow_unicode=True, width=96)
    return text
