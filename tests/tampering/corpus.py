"""The corpus: `<role>/<concern>.yml`, read and checked against its schema."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema
import yaml

CORPUS = Path(__file__).parent

_FILE = re.compile(r"(?<![\w.])/(?!dev/)[\w.@/-]*\w")


@dataclass(frozen=True)
class Tampering:
    """One thing that is broken on a host, and exactly what must see it (see schema.json)."""

    role: str
    file: Path
    name: str
    change: str
    undo: str
    fails: frozenset[str]
    drift: frozenset[str]
    measures: tuple[str, ...]
    backend: str
    blind: str = ""
    says: Mapping[str, str] = field(default_factory=dict, hash=False)
    repair: bool = False
    alone: bool = False

    @cached_property
    def files(self) -> frozenset[str]:
        """The files that its scripts name."""
        return frozenset(_FILE.findall(f"{self.change}\n{self.undo}"))

    def mixes_with(self, other: "Tampering") -> bool:
        """Whether both may be done to one host at once, and each still be told by what sees it."""
        return not (
            self.alone
            or other.alone
            or self.fails & other.fails
            or self.drift & other.drift
            or self.files & other.files
        )

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def roles() -> list[str]:
    """The roles that have tamperings."""
    return sorted(directory.name for directory in CORPUS.iterdir() if any(directory.glob("*.yml")))


def read_corpus(role: str) -> list[Tampering]:
    """Every tampering of a role; raises ValueError, naming file and place, for what is no list."""
    found = []
    for file in sorted((CORPUS / role).glob("*.yml")):
        content: list[dict[str, Any]] = yaml.safe_load(file.read_text("utf-8"))
        schema = json.loads((CORPUS / "schema.json").read_text("utf-8"))
        fault = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(schema).iter_errors(content)
        )
        if fault is not None:
            raise ValueError(f"{file}: {fault.json_path}: {fault.message}")
        for entry in content:
            sets = {key: frozenset(entry[key]) for key in ("fails", "drift")}
            rest = {**entry, **sets, "measures": tuple(entry["measures"])}
            found.append(Tampering(role=role, file=file, **rest))
    return found


def brief(tamperings: Iterable[Tampering]) -> list[Tampering]:
    """As many as show every check fail and every task report once, and all that are repaired."""
    chosen: list[Tampering] = []
    shown: set[str] = set()
    for tampering in sorted(tamperings, key=lambda each: not each.repair):
        if tampering.repair or not shown >= tampering.fails | tampering.drift:
            chosen.append(tampering)
            shown |= tampering.fails | tampering.drift
    return chosen


def batches(tamperings: Iterable[Tampering]) -> list[tuple[Tampering, ...]]:
    """The tamperings in groups that may be done to one host at once."""
    groups: list[list[Tampering]] = []
    for tampering in tamperings:
        for group in groups:
            if all(tampering.mixes_with(other) for other in group):
                group.append(tampering)
                break
        else:
            groups.append([tampering])
    return [tuple(group) for group in groups]


def sample(tamperings: Iterable[Tampering], hosts: int) -> list[Tampering]:
    """The brief ones that so many hosts show in one round: a batch a host, the first ones."""
    first = batches(brief(tamperings))[:hosts]
    return [tampering for batch in first for tampering in batch]
