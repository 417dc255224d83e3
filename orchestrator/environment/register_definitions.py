"""What registers there are: one definition each, in `schemas/registers/`, and the rest follows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from orchestrator.catalogue import measure_key
from orchestrator.environment.spelling import remedy
from orchestrator.errors import PasInfraError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SHARED = "shared.yml"
# Ours to write, in every register: whoever adds an entry cannot say that it was somebody else.
RECORDED = ("date", "by")


@dataclass(frozen=True)
class RegisterCheck:
    """One thing that a register must show; `rule` is one of `orchestrator.registers.rules`.

    `says` is the sentence that the check proves, in English.
    """

    name: str
    says: str
    rule: str
    measures: tuple[str, ...]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class RegisterDefinition:
    """One register: what it is for, the shape of its entries, and what they must show.

    The last entry of a `key` is the one that stands; without a key every entry stands for itself.
    `command` is the one that adds to it, where it is not `pas-infra register add`; the checks of
    such a register may stand elsewhere, so `measures` names what it is for.
    """

    name: str
    title_fr: str
    title_en: str
    about: str
    key: tuple[str, ...]
    entry: Mapping[str, Any]
    checks: tuple[RegisterCheck, ...]
    measures: tuple[str, ...]
    command: str

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema (draft 2020-12) of the file."""
        about = f"A list of entries, oldest first. {self.about}"
        return {"type": "array", "description": about, "items": self.entry}

    @property
    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """The JSON Schema of each field that whoever adds an entry gives."""
        properties: Mapping[str, Mapping[str, Any]] = self.entry["properties"]
        return {name: rules for name, rules in properties.items() if name not in RECORDED}

    @property
    def review_months(self) -> int | None:
        """How often it must be reviewed as a whole, in months, if it must."""
        found = (c.parameters["months"] for c in self.checks if c.rule == "reviewed")
        return next(found, None)


@cache
def register_definitions() -> Mapping[str, RegisterDefinition]:
    """Every register by its name, sorted."""
    shared = _read(_folder() / _SHARED)
    names = sorted(file.name for file in _folder().iterdir() if file.name != _SHARED)
    found = (
        _definition(name.removesuffix(".yml"), _read(_folder() / name), shared) for name in names
    )
    return {definition.name: definition for definition in found}


def register_definition(name: str) -> RegisterDefinition:
    """The register of that name; raises PasInfraError, naming a near one, when there is none."""
    definitions = register_definitions()
    if name not in definitions:
        raise PasInfraError(
            f"there is no register `{name}`",
            next_step=remedy(name, definitions, "`pas-infra register list` shows them all"),
        )
    return definitions[name]


def _folder() -> Traversable:
    return files(__package__) / "schemas" / "registers"


def _read(file: Traversable) -> Any:
    return yaml.load(file.read_text("utf-8"), Loader=_LOADER)  # noqa: S506 - a SafeLoader


def _definition(name: str, given: Any, shared: Any) -> RegisterDefinition:
    fields = {**_recorded(shared), **given["fields"], **_common(shared)}
    checks = tuple(_checks(given.get("checks", {}), shared["lists"]))
    named = (number for check in checks for number in check.measures)
    return RegisterDefinition(
        name=name,
        title_fr=given["title"]["fr"],
        title_en=given["title"]["en"],
        about=given["about"],
        key=tuple(given.get("key", ())),
        entry={
            "type": "object",
            "additionalProperties": False,
            "required": [key for key, rules in fields.items() if not rules.get("optional")],
            "properties": {key: _field(rules, shared) for key, rules in fields.items()},
            **given.get("also", {}),
        },
        checks=checks,
        measures=tuple(sorted({*named, *given.get("measures", ())}, key=measure_key)),
        command=given.get("command", ""),
    )


def _recorded(shared: Any) -> dict[str, Any]:
    return {name: shared["recorded"][name] for name in RECORDED}


def _common(shared: Any) -> dict[str, Any]:
    common: dict[str, Any] = shared["common"]
    return common


def _field(given: Mapping[str, Any], shared: Any) -> dict[str, Any]:
    """A field's JSON Schema: `is` and `list_of` name a shared kind, the rest is its own."""
    own = {key: value for key, value in given.items() if key not in {"is", "list_of", "optional"}}
    if "list_of" in given:
        items = shared["kinds"][given["list_of"]]
        return {"type": "array", "minItems": 1, "uniqueItems": True, "items": items, **own}
    return {**shared["kinds"].get(given.get("is"), {}), **own}


def _checks(given: Mapping[str, Any], lists: Mapping[str, Any]) -> Iterator[RegisterCheck]:
    """The checks; one that speaks of `each_measure` is one check a measure."""
    for name, check in given.items():
        own = ("says", "rule", "measures", "each_measure")
        parameters = {key: value for key, value in check.items() if key not in own}
        if isinstance(parameters.get("values"), str):
            parameters["values"] = lists[parameters["values"]]
        measures = tuple(check["measures"])
        if not check.get("each_measure"):
            yield RegisterCheck(name, check["says"], check["rule"], measures, parameters)
            continue
        for number in measures:
            yield RegisterCheck(
                f"{name}_{number.replace('.', '_')}",
                check["says"].replace("MEASURE", number),
                check["rule"],
                (number,),
                {**parameters, "measure": number},
            )
