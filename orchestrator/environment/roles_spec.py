"""What the roles say about their variables (`meta/argument_specs.yml`), and where they apply."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.environment.lines import Document, Keys, read
from orchestrator.errors import Problem

_TYPES = {
    "str", "path", "int", "float", "bool", "list", "dict", "raw", "json", "jsonarg", "bytes",
    "bits",
}  # fmt: skip
_ROLE_ACTIONS = {
    prefix + action
    for prefix in ("", "ansible.builtin.", "ansible.legacy.")
    for action in ("include_role", "import_role")
}
_TASK_LISTS = ("pre_tasks", "tasks", "post_tasks", "block", "rescue", "always")


@dataclass(frozen=True)
class Option:
    """One variable of a role, or one key of a variable of type dict (or list of dict)."""

    type: str
    elements: str | None
    choices: tuple[object, ...]
    required: bool
    has_default: bool
    options: Mapping[str, "Option"]


@dataclass(frozen=True)
class RoleSpec:
    """A role's variables; `defaults` are those that its files of defaults set."""

    name: str
    options: Mapping[str, Option]
    defaults: frozenset[str]

    @property
    def prefix(self) -> str:
        """What the names of the role's variables begin with."""
        return self.name.replace("-", "_") + "_"

    def demanded(self) -> Iterator[str]:
        """The variables that the inventory must set."""
        for name, option in self.options.items():
            if option.required and not option.has_default and name not in self.defaults:
                yield name


@dataclass(frozen=True)
class Play:
    """A play of the site: its host pattern, its roles, and the variables that it sets itself."""

    pattern: str
    roles: tuple[str, ...]
    variables: frozenset[str]


def read_roles(project: Path) -> tuple[dict[str, RoleSpec], list[Problem]]:
    """Every role below `roles/`, by name. A role without argument_specs has no variables."""
    roles: dict[str, RoleSpec] = {}
    problems: list[Problem] = []
    for directory in sorted((project / "roles").glob("*/")):
        specs = _first(directory, "meta/argument_specs")
        options: Mapping[str, Option] = {}
        set_by_default: set[str] = set()
        if specs:
            document, found = read(specs)
            problems += found
            if document is not None:
                keys: Keys = ("argument_specs", "main", "options")
                options = _options(document, keys, problems)
        for file in defaults_files(directory):
            document, found = read(file)
            problems += found
            set_by_default |= set(document.mapping() if document else ())
        roles[directory.name] = RoleSpec(directory.name, options, frozenset(set_by_default))
    return roles, problems


def role_defaults(role: Path) -> dict[str, Any]:
    """What the role sets where nobody else does, by variable; a template is its text."""
    found: dict[str, Any] = {}
    for file in defaults_files(role):
        found |= yaml.safe_load(file.read_text("utf-8")) or {}
    return found


def defaults_files(role: Path) -> list[Path]:
    """The files of a role's defaults: `defaults/main.yml`, or all those in `defaults/main/`."""
    single = _first(role, "defaults/main")
    return [single] if single else sorted((role / "defaults/main").glob("*.y*ml"))


def _first(directory: Path, stem: str) -> Path | None:
    files = (directory / f"{stem}{extension}" for extension in (".yml", ".yaml"))
    return next((file for file in files if file.is_file()), None)


def _options(document: Document, keys: Keys, problems: list[Problem]) -> dict[str, Option]:
    result = {}
    for name in document.mapping(*keys):
        body = document.mapping(*keys, name)
        kinds = [str(body.get("type", "str")), str(body.get("elements", "raw"))]
        problems += [
            document.problem((*keys, name), f"`{kind}` is no type of an argument", "correct it")
            for kind in kinds
            if kind not in _TYPES
        ]
        choices = body.get("choices")
        result[name] = Option(
            type=kinds[0],
            elements=kinds[1] if "elements" in body else None,
            choices=tuple(choices) if isinstance(choices, list) else (),
            required=body.get("required") is True,
            has_default="default" in body,
            options=_options(document, (*keys, name, "options"), problems),
        )
    return result


def read_site(project: Path) -> tuple[list[Play], list[Problem]]:
    """The plays of playbooks/site.yml; none while there is no such playbook."""
    file = project / "playbooks" / "site.yml"
    if not file.is_file():
        return [], []
    document, problems = read(file)
    if document is None or not isinstance(document.data, list):
        return [], problems
    return [_play(body) for body in document.data if isinstance(body, dict)], problems


def _play(body: Mapping[str, object]) -> Play:
    pattern = body.get("hosts")
    names: list[str] = []
    variables = set(_mapping(body.get("vars")))
    for entry in _list(body.get("roles")):
        if isinstance(entry, str):
            names.append(entry)
        elif isinstance(entry, dict):
            names.append(str(entry.get("role", entry.get("name", ""))))
            variables |= set(entry) | set(_mapping(entry.get("vars")))
    for task in _tasks(body):
        for action in _ROLE_ACTIONS & set(task):
            names.append(str(_mapping(task[action]).get("name", "")))
            variables |= set(_mapping(task.get("vars")))
    return Play(pattern if isinstance(pattern, str) else "all", tuple(names), frozenset(variables))


def _tasks(body: Mapping[str, object]) -> Iterable[Mapping[str, object]]:
    for key in _TASK_LISTS:
        for task in _list(body.get(key)):
            if isinstance(task, dict):
                yield task
                yield from _tasks(task)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
