"""The operating procedures that the program brings: pages in French, each with a head.

When a page was approved, and when exercised, the registers of an environment say
(`orchestrator.registers.approvals`): a procedure is a document like others, named as its page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestrator.catalogue import load_catalogue
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root

FOLDER = "docs/procedures"
_INDEX = "README.md"
_FENCE = "---"
_REQUIRED: Mapping[str, type] = {"title": str, "measures": list, "owner": str}
_OPTIONAL: Mapping[str, type] = {"exercise_months": int}


@dataclass(frozen=True)
class Procedure:
    """A page: its short name, French title, the measures it treats, the role that answers for it.

    It is exercised every so many months, or None: used so often that it need not be.
    """

    name: str
    file: Path
    title: str
    measures: tuple[str, ...]
    owner: str
    exercise_months: int | None = None


def procedures() -> tuple[Procedure, ...]:
    """The procedures of the program, by name.

    Raises PasInfraError for a page without its head, and when there is no page: whoever asks
    whether all are approved would otherwise be told so of none.
    """
    return _read_folder(project_root() / FOLDER)


@cache
def _read_folder(folder: Path) -> tuple[Procedure, ...]:
    files = [file for file in sorted(folder.glob("*.md")) if file.name != _INDEX]
    if not files:
        raise PasInfraError(
            "there is no operating procedure",
            where=folder,
            next_step="bring the directory back: it comes with pas-infra (`git status`)",
        )
    return tuple(read_procedure(file) for file in files)


def read_procedure(file: Path) -> Procedure:
    """A page's head. Raises PasInfraError when something in it is missing, unknown or wrong."""
    head = _head(file)
    fields = {**_REQUIRED, **_OPTIONAL}
    for field in (*_REQUIRED, *head):
        if field not in head or field not in fields:
            what = "is missing" if field in _REQUIRED else "is no field of a head"
            raise _fault(file, f"`{field}` {what}", f"its fields are {', '.join(fields)}")
        if type(head[field]) is not fields[field]:
            raise _fault(file, f"`{field}` is `{head[field]}`", f"it is a {fields[field].__name__}")
    catalogue = load_catalogue()
    for number in head["measures"]:
        if number not in catalogue:
            raise _fault(file, f"there is no measure {number}", "`pas-infra measures` lists them")
    owners = sorted({measure.owner for measure in catalogue})
    if head["owner"] not in owners:
        raise _fault(file, f"no role is called {head['owner']}", f"name one of {', '.join(owners)}")
    return Procedure(
        file.stem, file, head["title"], tuple(head["measures"]), head["owner"],
        head.get("exercise_months"),
    )  # fmt: skip


def _head(file: Path) -> Mapping[str, Any]:
    """What stands between the two fences at the beginning of a page."""
    first, _, rest = file.read_text("utf-8").partition("\n")
    text, fence, _ = rest.partition(f"\n{_FENCE}\n")
    if first != _FENCE or not fence:
        raise _fault(file, "the page has no head", f"begin with {_FENCE}, its fields, {_FENCE}")
    try:
        head = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _fault(file, f"its head is no YAML: {error}", "correct it") from error
    if not isinstance(head, dict):
        raise _fault(file, "its head has no fields", f"its fields are {', '.join(_REQUIRED)}")
    return head


def _fault(file: Path, what: str, next_step: str) -> PasInfraError:
    return PasInfraError(f"procedure {file.stem}: {what}", where=file, next_step=next_step)
