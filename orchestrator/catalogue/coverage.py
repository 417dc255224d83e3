"""What stands behind each measure, computed from the tags of tasks and the marks of checks."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from orchestrator.catalogue.load import Catalogue, measure_of
from orchestrator.catalogue.yaml_nodes import child, entries, items, line_of, read_nodes, words
from orchestrator.errors import PasInfraError, Problem

_TAG_PREFIX = "pas_"  # kept for measures: any other tag that begins so is a mistake
_BLOCK_KEYS = ("block", "rescue", "always")
_IMPORT = ("import_tasks", "ansible.builtin.import_tasks")
_INCLUDE = ("include_tasks", "ansible.builtin.include_tasks")


@dataclass(frozen=True)
class TaskReference:
    """A task or handler of a role that serves a measure; `line` is 1-based."""

    role: str
    file: Path
    line: int
    task: str


@dataclass(frozen=True)
class CheckReference:
    """A check that proves a measure: `test_ssh.py::test_x`, and its docstring's first line."""

    check: str
    title: str
    file: Path
    line: int


def role_measures(roles_dir: Path) -> Mapping[str, tuple[TaskReference, ...]]:
    """The tasks and handlers below `roles_dir/*/` by the measure they are tagged with.

    Tags count as Ansible inherits them: from blocks, from `import_tasks`, and from the `apply` of
    `include_tasks`. An import or include is no work itself, so it is not listed. Raises
    `ConfigurationInvalid` for a file that is not YAML.
    """
    found: dict[str, list[TaskReference]] = defaultdict(list)
    for role in sorted(path for path in roles_dir.glob("*") if path.is_dir()):
        files = {file: read_nodes(file) for file in _task_files(role)}
        inherited = _imported_tags(files)
        for file, root in files.items():
            for task, tags in _tasks(root, inherited[file]):
                reference = TaskReference(role.name, file, line_of(task), _name(task))
                for number in sorted(filter(None, map(measure_of, tags))):
                    if not _target(task):
                        found[number].append(reference)
    return {number: tuple(references) for number, references in found.items()}


def check_measures(checks_dir: Path) -> Mapping[str, tuple[CheckReference, ...]]:
    """The checks below `checks_dir` by the measure they are marked with.

    Marks count on functions, on classes and in a `pytestmark`. Raises `PasInfraError` for a file
    that is not Python.
    """
    found: dict[str, list[CheckReference]] = defaultdict(list)
    for file in _check_files(checks_dir):
        name = file.relative_to(checks_dir).as_posix()
        for reference, numbers in _checks(file, name, _parse(file).body, frozenset()):
            for number in sorted(numbers):
                found[number].append(reference)
    return {number: tuple(references) for number, references in found.items()}


def coverage_problems(roles_dir: Path, checks_dir: Path, catalogue: Catalogue) -> list[Problem]:
    """Every tag and every mark that has the form of a measure and names none."""
    found = []
    for role in roles_dir.glob("*"):
        for file in _task_files(role):
            for tag, line in _all_tags(read_nodes(file)):
                if tag.startswith(_TAG_PREFIX) and measure_of(tag) not in catalogue:
                    what = f"the tag {tag} names no measure"
                    step = "correct it (pas_6_2_1 for 6.2.1); the prefix pas_ is kept for measures"
                    found.append(Problem(file, line, what, step))
    for file in _check_files(checks_dir):
        for number, line in _marks(_parse(file)):
            if number not in catalogue:
                what = f"the mark pas({number}) names no measure"
                step = 'write its number as a plain string, as in @pytest.mark.pas("6.2.1")'
                found.append(Problem(file, line, what, step))
    return found


def _task_files(role: Path) -> list[Path]:
    return sorted(
        file
        for directory in ("tasks", "handlers")
        for file in (role / directory).rglob("*")
        if file.suffix in {".yml", ".yaml"}
    )


def _all_tags(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    for key, _, value in entries(node):
        yield from words(value) if key == "tags" else _all_tags(value)
    for item in items(node):
        yield from _all_tags(item)


def _tags(node: yaml.Node | None) -> frozenset[str]:
    return frozenset(tag for tag, _ in words(child(node, "tags")))


def _tasks(
    root: yaml.Node | None, inherited: frozenset[str]
) -> Iterator[tuple[yaml.Node, frozenset[str]]]:
    """Each task of a list, through nested blocks, with its own and its inherited tags."""
    for node in items(root):
        tags = inherited | _tags(node)
        if child(node, "block") is None:
            yield node, tags
        for key in _BLOCK_KEYS:
            yield from _tasks(child(node, key), tags)


def _imported_tags(files: Mapping[Path, yaml.Node | None]) -> Mapping[Path, frozenset[str]]:
    """What each file of a role inherits from the imports and includes that reach it."""
    inherited: dict[Path, frozenset[str]] = dict.fromkeys(files, frozenset())
    changed = True
    while changed:  # a chain of imports hands its tags down, so until nothing is added
        changed = False
        for file, root in files.items():
            for task, tags in _tasks(root, inherited[file]):
                target = _target(task)
                reached = target and _resolve(file, target[0], files)
                if not target or not reached:
                    continue
                handed = tags if target[1] else _tags(child(_include(task), "apply"))
                if not handed <= inherited[reached]:
                    inherited[reached] |= handed
                    changed = True
    return inherited


def _include(task: yaml.Node) -> yaml.Node | None:
    return next((value for key, _, value in entries(task) if key in _INCLUDE), None)


def _target(task: yaml.Node) -> tuple[str, bool] | None:
    """The file that a task imports or includes, and whether it imports; None for other tasks."""
    for key, _, value in entries(task):
        if key in _IMPORT or key in _INCLUDE:
            file = child(value, "file") or value
            return (str(file.value), key in _IMPORT)
    return None


def _resolve(file: Path, target: str, files: Iterable[Path]) -> Path | None:
    """The role's file that a target names, as Ansible looks for it; None if computed or absent."""
    role_directory = next(up for up in file.parents if up.name in {"tasks", "handlers"})
    candidates = (file.parent / target, role_directory / target)
    known = {known.resolve(): known for known in files}
    return next((known[c.resolve()] for c in candidates if c.resolve() in known), None)


def _name(task: yaml.Node) -> str:
    name = child(task, "name")
    return str(name.value) if name else next((key for key, _, _ in entries(task)), "")


def _check_files(checks_dir: Path) -> list[Path]:
    return sorted(checks_dir.rglob("test_*.py"))


def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{file}:{line}" if line else file
        raise PasInfraError(
            f"a check is not valid Python: {error}", where=where, next_step="correct the file"
        ) from error


def _checks(
    file: Path, prefix: str, body: Iterable[ast.stmt], inherited: frozenset[str]
) -> Iterator[tuple[CheckReference, frozenset[str]]]:
    body = list(body)
    for statement in body:
        if _is_pytestmark(statement):
            inherited |= {number for number, _ in _marks(statement)}
    for item in body:
        if not isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        numbers = inherited | {n for mark in item.decorator_list for n, _ in _marks(mark)}
        name = f"{prefix}::{item.name}"
        if isinstance(item, ast.ClassDef):
            if item.name.startswith("Test"):
                yield from _checks(file, name, item.body, numbers)
        elif item.name.startswith("test"):
            title = (ast.get_docstring(item) or item.name).splitlines()[0]
            yield CheckReference(name, title, file, item.lineno), numbers


def _is_pytestmark(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return False
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in targets)


def _marks(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What every `pytest.mark.pas(...)` inside names, with its line; what is no string, as code."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "pas"
            and ast.unparse(node.func.value).endswith("mark")
        ):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, argument.lineno
                else:
                    yield ast.unparse(argument), argument.lineno
