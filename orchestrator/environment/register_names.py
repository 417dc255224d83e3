"""What the entries of registers may name: persons, measures, what stands in another register."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.catalogue import load_catalogue
from orchestrator.environment.lines import Document, Keys, read
from orchestrator.environment.register_definitions import RegisterDefinition, register_definitions
from orchestrator.environment.shape import path_of
from orchestrator.environment.spelling import remedy
from orchestrator.errors import Problem

# Chapter 1 is the policy itself; measure 1.2.2 speaks of those that follow.
_FIRST_CHAPTER = 2


def known_names(
    directory: Path, documents: Mapping[str, Document]
) -> Mapping[str, Collection[str]]:
    """All that each `x-of` may name, also what has ended: a register tells of the past.

    Persons are those of people.yml and of the register `personnel`; where there is neither, nobody
    can be held against them.
    """
    found: dict[str, Collection[str]] = {
        "measures": [measure.number for measure in load_catalogue()],
        "chapters": chapters(),
        "registers": list(register_definitions()),
    }
    wanted = {of for one in register_definitions().values() for of, _ in _named(one, "x-of")}
    for of in wanted:
        name, dot, field = of.partition(".")
        if dot:
            found[of] = list(_values(documents.get(name), field))
    persons = [*_accounts(directory), *_values(documents.get("personnel"), "person")]
    return found | ({"persons": persons} if persons else {})


def chapters() -> list[str]:
    """The chapters of the PAS that its policy must treat (1.2.2)."""
    numbers = [chapter.number for chapter in load_catalogue().chapters]
    return [number for number in numbers if int(number) >= _FIRST_CHAPTER]


def reference_problems(
    document: Document,
    definition: RegisterDefinition,
    known: Mapping[str, Collection[str]],
    *,
    keyword: str = "x-of",
    only: int | None = None,
) -> Iterator[Problem]:
    """Every value that names what nobody knows; of one entry, or of all."""
    data: Any = document.data
    for index, entry in enumerate(data or ()):
        if only not in (None, index):
            continue
        for of, field in _named(definition, keyword):
            for keys, value in _places(entry, field):
                if of in known and value not in known[of]:
                    place = (index, *keys)
                    yield document.problem(
                        place,
                        f"{path_of(place)} is `{value}`, which is none of {_spoken(of)}",
                        remedy(str(value), known[of], _where_they_stand(of)),
                    )


def _named(definition: RegisterDefinition, keyword: str) -> Iterator[tuple[str, str]]:
    for field, rules in definition.fields.items():
        of = rules.get(keyword) or rules.get("items", {}).get(keyword)
        if of:
            yield of, field


def _places(entry: Mapping[str, Any], field: str) -> Iterator[tuple[Keys, Any]]:
    value = entry.get(field)
    if isinstance(value, list):
        for position, one in enumerate(value):
            yield (field, position), one
    elif value is not None:
        yield (field,), value


def _values(document: Document | None, field: str) -> Iterator[str]:
    data: Any = document.data if document else None
    for entry in data or ():
        yield from (str(value) for _, value in _places(entry, field))


def _accounts(directory: Path) -> Iterator[str]:
    file = directory / "people.yml"
    document, _ = read(file) if file.exists() else (None, [])
    persons: Any = document.mapping().get("persons") if document else ()
    for person in persons if isinstance(persons, list) else ():
        if isinstance(person, dict) and isinstance(person.get("account"), str):
            yield person["account"]


def _spoken(of: str) -> str:
    name, dot, field = of.partition(".")
    return f"the register {name} (`{field}`)" if dot else f"the {of} that are known"


def _where_they_stand(of: str) -> str:
    name, dot, _ = of.partition(".")
    if dot:
        return f"enter it first: `pas-infra register add {name}`"
    return {
        "persons": "declare the person in people.yml or the register `personnel`",
        "hosts": "name a host of hosts.yml",
        "clients": "name a client of clients.yml",
    }.get(of, "see docs/reference/registers.md")
