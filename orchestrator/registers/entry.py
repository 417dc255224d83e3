"""Adding to registers: what is given, in the types of the schema; who and when is ours to say."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from orchestrator.environment import Environment
from orchestrator.environment.documents import document_file, file_digest
from orchestrator.environment.register_definitions import (
    RECORDED,
    RegisterDefinition,
    register_definition,
)
from orchestrator.environment.registers import Entry, append
from orchestrator.environment.spelling import remedy
from orchestrator.errors import PasInfraError

REVIEWS = "register_reviews"
_WORDS = {"true": True, "yes": True, "oui": True, "false": False, "no": False, "non": False}


def register_to_add_to(name: str) -> RegisterDefinition:
    """The register of that name; raises PasInfraError when a command of its own adds to it."""
    definition = register_definition(name)
    if definition.command:
        raise PasInfraError(
            f"entries of the register `{name}` are made by a command of its own",
            next_step=f"run `{definition.command}`",
        )
    return definition


def asked_for(definition: RegisterDefinition) -> Mapping[str, Mapping[str, Any]]:
    """The fields that somebody has to be asked for: those that nothing else determines."""
    return {
        field: rules
        for field, rules in definition.fields.items()
        if "x-digest-of" not in rules and field != "corrects"
    }


def make_entry(
    definition: RegisterDefinition,
    given: Mapping[str, Sequence[str]],
    *,
    directory: Path,
    by: str,
    today: date,
) -> Entry:
    """The entry of what was given as text, several texts for a list.

    Raises PasInfraError for a field that is not to be given, or a text that its type does not know.
    """
    for field in given:
        if field in RECORDED:
            raise PasInfraError(
                f"`{field}` is recorded by pas-infra: it is today, and your account",
                next_step=f"leave out `{field}`; a mistake is corrected by a later entry",
            )
        if field not in definition.fields or "x-digest-of" in definition.fields[field]:
            fields = asked_for(definition)
            raise PasInfraError(
                f"the register {definition.name} has no field `{field}` to be given",
                next_step=remedy(field, fields, f"its fields: {', '.join(fields)}"),
            )
    entry: dict[str, Any] = {"date": today, "by": by}
    for field, rules in definition.fields.items():
        source = str(rules.get("x-digest-of"))
        if source in given:
            entry[field] = _digest(directory, given[source][0])
        elif field in given:
            entry[field] = converted(field, rules, given[field])
    return entry


def converted(field: str, rules: Mapping[str, Any], texts: Sequence[str]) -> object:
    """A field's value; a list's texts may hold several, separated by commas."""
    if rules.get("type") == "array":
        return [one.strip() for text in texts for one in text.split(",") if one.strip()]
    if len(texts) > 1:
        raise PasInfraError(f"`{field}` is given twice", next_step="give it once: it is no list")
    text = texts[0].strip()
    if rules.get("format") == "date":
        return _day(text)
    if rules.get("type") == "boolean":
        if text.lower() not in _WORDS:
            raise PasInfraError(f"`{field}` is `{text}`", next_step="answer true or false")
        return _WORDS[text.lower()]
    if rules.get("type") == "integer":
        if not text.isdecimal():
            raise PasInfraError(f"`{field}` is `{text}`", next_step="give a whole number")
        return int(text)
    return text


def record_entry(environment: Environment, name: str, entry: Entry, *, today: date) -> Path:
    """Add the entry; returns the file.

    Raises ConfigurationInvalid, and writes nothing, when the register would not be valid with it.
    """
    declared = {
        "hosts": [host.name for host in environment.hosts],
        "clients": [client.name for client in environment.clients],
    }
    return append(environment.directory, name, entry, today=today, declared=declared)


def record_review(
    environment: Environment, name: str, *, decision: str, remark: str, by: str, today: date
) -> Path:
    """Record that somebody looked through a register as a whole; returns the file."""
    register_definition(name)
    entry = {
        "date": today,
        "by": by,
        "register": name,
        "decision": decision,
        "remark": remark,
    }
    return record_entry(environment, REVIEWS, entry, today=today)


def _day(text: str) -> date | str:
    """The day, or the text as it is: its shape is judged with the register's."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _digest(directory: Path, name: str) -> str:
    file = document_file(directory, name)
    if not file.is_file():
        raise PasInfraError(
            f"the document {name} is not there", where=directory / name,
            next_step="write it, then enter that it is approved",
        )  # fmt: skip
    return file_digest(file.read_bytes())
