"""What every OSCAL document has: identifiers, properties and metadata.

Identifiers are computed from what they name, so the same store gives the same documents.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from orchestrator import __version__

OSCAL_VERSION = "1.1.3"
NAMESPACE = "urn:pas-infra:oscal"  # of the properties that are ours
CATALOG, COMPONENTS, RESULTS = (
    "catalog.json",
    "component-definition.json",
    "assessment-results.json",
)
_IDENTIFIERS = uuid5(NAMESPACE_URL, NAMESPACE)

Data = dict[str, Any]


def identifier(*names: object) -> str:
    """The UUID of what has these names, always the same."""
    return str(uuid5(_IDENTIFIERS, json.dumps([str(name) for name in names])))


def control_id(number: str) -> str:
    """A measure as an OSCAL control: its number alone is no token."""
    return f"pas-{number}"


def statement_id(number: str) -> str:
    """What a measure promises; a finding is about it."""
    return f"{control_id(number)}_smt"


def number_of(statement: str) -> str:
    """The measure whose statement that is. Raises ValueError for another identifier."""
    number = statement.removeprefix("pas-").removesuffix("_smt")
    if statement_id(number) != statement:
        raise ValueError(f"{statement} is the statement of no measure")
    return number


def props(named: Iterable[tuple[str, object]]) -> Data:
    """Properties of ours, under the name that OSCAL has for them; no empty one, as it asks for."""
    found = [
        {"name": name, "ns": NAMESPACE, "value": " ".join(str(value).split())}
        for name, value in named
        if value is not None and str(value).strip()
    ]
    return {"props": found} if found else {}


def filled(**lists: Iterable[Data]) -> Data:
    """Lists by their names, hyphens for underscores; no empty one, since OSCAL has none."""
    present = {name.replace("_", "-"): list(found) for name, found in lists.items()}
    return {name: found for name, found in present.items() if found}


def document(
    kind: str, title: str, modified: str, body: Mapping[str, Any], about: Mapping[str, object]
) -> bytes:
    """A document as its file holds it; `modified` is of the last thing that it tells of."""
    metadata = {
        "title": title,
        "last-modified": modified,
        "version": __version__,
        "oscal-version": OSCAL_VERSION,
        **props(about.items()),
    }
    content = {"metadata": metadata, **body}
    named = {"uuid": identifier(kind, json.dumps(content, sort_keys=True)), **content}
    return (json.dumps({kind: named}, indent=1, ensure_ascii=False) + "\n").encode()
