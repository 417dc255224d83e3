"""The checks of tests/registers, called as a run of theirs calls them."""

from collections.abc import Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from orchestrator.paths import project_root


def called(file: str, calls: Mapping[str, Sequence[object]]) -> dict[str, tuple[str, str]]:
    """What the checks of a file say, by name: their verdict and why; `calls` are the arguments."""
    source = project_root() / "tests/registers" / file
    specification = spec_from_file_location("register_checks_there", source)
    assert specification is not None
    assert specification.loader is not None
    checks = module_from_spec(specification)
    specification.loader.exec_module(checks)
    found = {}
    for name, arguments in calls.items():
        try:
            getattr(checks, name)(*arguments)
        except AssertionError as error:
            found[name] = ("fails", str(error))
        except pytest.skip.Exception as error:
            found[name] = ("unmeasured", str(error))
        else:
            found[name] = ("holds", "")
    return found
