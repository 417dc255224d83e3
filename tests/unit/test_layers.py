"""Imports point down, never up; and what only one place may know, only that place names."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "orchestrator"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
    if "project" not in path.relative_to(PACKAGE).parts
}
BASE = {"errors", "exit_codes", "paths", "records", "operator"}
GROUND_FLOOR = {"environment", "engine", "store", "catalogue", "lab"}
# What only one place may import.
OWNED = {
    "ansible_runner": "orchestrator.engine.run",
    "sqlite3": "orchestrator.store",
    "ansible_mitogen": "orchestrator.engine",
}
# What only one room may speak of.
NAMED = {
    "systemd-nspawn": "orchestrator.lab",
    "qemu-system": "orchestrator.lab",
    "qemu-img": "orchestrator.lab",
    "mmdebstrap": "orchestrator.lab",
}


def room(module: str) -> str:
    """`engine` for orchestrator.engine.run; "" for the package itself."""
    return [*module.split("."), ""][1]


def level(module: str) -> int:
    """The floor that a module stands on: whatever is in no other list is a service."""
    here = room(module)
    if not here or here in BASE:
        return 0
    if here in GROUND_FLOOR:
        return 1
    return 3 if here in {"cli", "__main__"} else 2


@cache
def imports(path: Path) -> list[tuple[str, int]]:
    """Every module that a file imports, wherever in it, with its line."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(name.name, node.lineno) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            inside = [f"{node.module}.{name.name}" for name in node.names]
            found += [
                (name if name in MODULES else str(node.module), node.lineno) for name in inside
            ]
    return found


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    for imported, line in imports(MODULES[module]):
        if imported.partition(".")[0] == "orchestrator":
            assert level(imported) <= level(module), f"{MODULES[module]}:{line}: {imported}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_what_has_one_owner_is_imported_there_only(module: str) -> None:
    for imported, line in imports(MODULES[module]):
        owner = OWNED.get(imported.partition(".")[0])
        assert owner is None or within(module, owner), f"{MODULES[module]}:{line}: {imported}"


@pytest.mark.parametrize("word", NAMED)
def test_what_has_one_owner_is_named_there_only(word: str) -> None:
    naming = {module for module, path in MODULES.items() if word in path.read_text()}
    assert naming, f"nothing names {word} any more: take it out of this list"
    assert [module for module in naming if not within(module, NAMED[word])] == []


@pytest.mark.parametrize("library", OWNED)
def test_the_owner_still_uses_it(library: str) -> None:
    using = chain.from_iterable(
        imports(path) for module, path in MODULES.items() if within(module, OWNED[library])
    )
    text = "".join(
        path.read_text() for module, path in MODULES.items() if within(module, OWNED[library])
    )
    assert library in {name.partition(".")[0] for name, _ in using} or f'"{library}"' in text


def test_no_room_knows_a_room_that_knows_it() -> None:
    """Also on one floor; the base and the package itself apart, which anybody may know."""
    knows: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        for imported, _ in imports(path):
            if within(imported, "orchestrator") and room(imported) != room(module):
                knows.setdefault(room(module), set()).add(room(imported))
    order = list(TopologicalSorter(knows).static_order())
    assert set(order) >= GROUND_FLOOR | {"cli"}


def test_the_base_knows_nothing_but_itself() -> None:
    for module, path in MODULES.items():
        if room(module) in BASE:
            known = {name for name, _ in imports(path) if within(name, "orchestrator")}
            assert {room(name) for name in known} <= BASE


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_stays_readable(module: str) -> None:
    assert len(MODULES[module].read_text().splitlines()) < 300
