"""How a PAS document that is numbered otherwise than the catalogue relates to it.

The map stands beside the document (`pas.map.yml` beside `pas.md`), because a signed contract is not
edited.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.catalogue.load import Catalogue
from orchestrator.catalogue.yaml_nodes import child, entries, items, line_of, read_nodes, words
from orchestrator.errors import ConfigurationInvalid, Problem

SCHEMA_FILE = Path(__file__).with_name("clause_map.schema.json")


@dataclass(frozen=True)
class ClauseMap:
    """What a map file says; without one, every clause has the number of its measure."""

    file: Path
    own_numbering: bool = False
    clauses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    no_measure: Mapping[str, str] = field(default_factory=dict)
    not_promised: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def measures_of(self, clause: str) -> tuple[str, ...]:
        """The measures that a clause of the document words; may name unknown ones."""
        if clause in self.clauses:
            return self.clauses[clause]
        return () if self.own_numbering or clause in self.no_measure else (clause,)

    def problems(self, catalogue: Catalogue, clauses: Mapping[str, object]) -> list[Problem]:
        """What the map names that neither the catalogue nor the document (its clauses) has."""
        found = []

        def report(section: str, name: str, what: str, next_step: str) -> None:
            found.append(Problem(self.file, self.lines.get((section, name)), what, next_step))

        promised = {number for clause in clauses for number in self.measures_of(clause)}
        for clause, measures in self.clauses.items():
            for number in measures:
                if number not in catalogue:
                    what = f"clause {clause} is mapped to {number}, which is no measure"
                    report("clauses", clause, what, "`pas-infra measures` lists the measures")
        for section, named in (("clauses", self.clauses), ("no_measure", self.no_measure)):
            for clause in named:
                if clause not in clauses:
                    what = f"clause {clause} is not in the document"
                    report(section, clause, what, "remove it here, or correct its number")
        for clause in self.clauses.keys() & self.no_measure.keys():
            what = f"clause {clause} is both mapped and without a measure"
            report("no_measure", clause, what, "keep one of the two entries")
        for number in self.not_promised:
            if number not in catalogue:
                what = f"{number} is no measure"
                report("not_promised", number, what, "`pas-infra measures` lists the measures")
            elif number in promised:
                what = f"measure {number} is not promised here, but the document has a clause of it"
                report("not_promised", number, what, "remove it here, or map the clause elsewhere")
        return found


def load_clause_map(document: Path) -> ClauseMap:
    """The map beside a PAS document, if there is one; raises `ConfigurationInvalid`."""
    file = document.with_suffix(".map.yml")
    if not file.exists():
        return ClauseMap(file)
    root = read_nodes(file)
    data = {} if root is None else _plain(root)
    _validate(file, root, data)
    sections = ("clauses", "no_measure", "not_promised")
    return ClauseMap(
        file,
        own_numbering=data.get("numbering") == "own",
        clauses={
            clause: tuple(number for number, _ in words(value))
            for clause, _, value in entries(child(root, "clauses"))
        },
        no_measure=data.get("no_measure", {}),
        not_promised=data.get("not_promised", {}),
        lines={
            (section, name): line_of(key)
            for section in sections
            for name, key, _ in entries(child(root, section))
        },
    )


def _plain(node: yaml.Node) -> Any:
    """Scalars as they are written: `6.2` is a number of a clause, never a float."""
    if isinstance(node, yaml.MappingNode):
        return {name: _plain(value) for name, _, value in entries(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in items(node)]
    return str(node.value)


def _validate(file: Path, root: yaml.Node | None, data: object) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    problems = []
    for error in Draft202012Validator(schema).iter_errors(data):
        node = root
        for step in error.absolute_path:
            node = child(node, step) if isinstance(step, str) else list(items(node))[step]
        at = ".".join(map(str, error.absolute_path)) or "the file"
        problems.append(
            Problem(
                file,
                line_of(node) if node else None,
                f"{at}: {error.message}",
                "docs/reference/measures.md explains the keys of this file",
            )
        )
    if problems:
        raise ConfigurationInvalid(problems)
