"""Programs that are sent to a host and run there alone."""

import ast
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from orchestrator.engine import HostProgram
from orchestrator.paths import project_root


def strangers(program: HostProgram) -> list[str]:
    """What its modules import that is neither Python's own nor sent before them."""
    found: list[str] = []
    before: set[str] = set()
    for module in program.modules:
        path = project_root() / f"{module.replace('.', '/')}.py"
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            found += [
                name
                for name in names
                if name not in before and name.partition(".")[0] not in sys.stdlib_module_names
            ]
        before.add(module)
    return found


def loaded(path: Path) -> ModuleType:
    """A program of a role's `files/` as a module: it lies in no package."""
    specification = spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
