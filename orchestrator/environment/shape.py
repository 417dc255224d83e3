"""The shape of the files that people write: JSON Schemas, and their errors in plain words."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.environment.lines import Document, Keys
from orchestrator.environment.model import Vaulted
from orchestrator.environment.spelling import remedy
from orchestrator.errors import Problem

if TYPE_CHECKING:
    from jsonschema import FormatChecker
    from jsonschema.exceptions import ValidationError

SchemaName = Literal[
    "clients",
    "data_sets",
    "environment",
    "flows",
    "hosts",
    "lab",
    "people",
    "waivers",
]

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


@cache
def schema(name: SchemaName) -> Mapping[str, Any]:
    """The JSON Schema (draft 2020-12) of a file, by its name without `.yml`."""
    text = (files(__package__) / "schemas" / f"{name}.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def shape_problems(document: Document, name: SchemaName) -> list[Problem]:
    """Every way in which the document departs from the schema of its name."""
    return departures(document, schema(name))


def departures(document: Document, rules: Mapping[str, Any]) -> list[Problem]:
    """Every way in which the document departs from a JSON Schema."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(rules, format_checker=_formats())
    return [
        problem
        for error in validator.iter_errors(document.data)
        for problem in _in_words(document, error)
    ]


@cache
def _formats() -> "FormatChecker":
    """The formats of JSON Schema, and `moment`: a time whose offset is said."""
    from jsonschema import FormatChecker

    checker = FormatChecker()

    @checker.checks("moment", raises=ValueError)
    def is_moment(value: object) -> bool:
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None

    return checker


def kind_of(value: object) -> str:
    """A value's type as one who writes YAML would name it, without the value."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case Vaulted():
            return "a vaulted secret"
        case _:
            return "a mapping"


def path_of(keys: Keys) -> str:
    """The path of a value as it is spoken of: `hosts.rbx7.place`, `ssh_keys[0]`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]" if text else f"entry {key + 1}"
        else:
            text += f".{key}" if text else key
    return text or "the file"


def _in_words(document: Document, error: "ValidationError") -> Iterator[Problem]:
    keys: Keys = tuple(error.absolute_path)
    rules: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    instance: Any = error.instance
    wanted: Any = error.validator_value
    help_text = rules.get("description") or "see docs/reference/environment.md"
    name = path_of(keys)
    if "propertyNames" in error.absolute_schema_path:
        key = str(instance)
        yield document.problem(
            (*keys, key), f"`{key}` in {name} must be {rules.get('x-expected')}", "rename it"
        )
        return
    match error.validator:
        case "additionalProperties":
            known = rules.get("properties", {})
            for key in sorted(set(instance) - set(known)):
                yield document.problem(
                    (*keys, key),
                    f"the key `{key}` is unknown in {name}",
                    remedy(key, known, f"remove it, or use one of: {', '.join(known)}"),
                )
        case "required":
            # jsonschema reports each missing key as an error of its own, named in the message only.
            key = error.message.split("'")[1]
            about = rules.get("properties", {}).get(key, {}).get("description", "")
            yield document.problem(
                keys, f"the key `{key}` is missing in {name}", f"add `{key}:` {about}".strip()
            )
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            expected = " or ".join(_KINDS[kind] for kind in kinds)
            quote = wanted == "string" and isinstance(instance, bool | int | float)
            yield document.problem(
                keys,
                f"{name} must be {expected}, but is {kind_of(instance)}",
                "quote it" if quote else help_text,
            )
        case "enum":
            choices = [str(choice) for choice in wanted]
            yield document.problem(
                keys,
                f"{name} must be one of {', '.join(choices)}, but is `{instance}`",
                remedy(str(instance), choices, help_text),
            )
        case "pattern" | "format":
            yield document.problem(
                keys,
                f"{name} must be {rules.get('x-expected')}, but is `{instance}`",
                help_text,
            )
        case "minLength" | "minItems" | "minProperties" if not instance:
            yield document.problem(keys, f"{name} is empty", help_text)
        case _:
            yield document.problem(keys, f"{name}: {error.message}", help_text)
