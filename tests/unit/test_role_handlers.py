"""Handlers of all roles share one list of names, in which the last of a name wins."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[2] / "roles"


def test_handlers_of_one_name_do_the_same() -> None:
    """Else a role that notifies its own would run that of another role."""
    named: dict[str, dict[str, Any]] = defaultdict(dict)
    for file in ROLES.glob("*/handlers/*.yml"):
        for handler in yaml.safe_load(file.read_text("utf-8")):
            named[handler["name"]][file.parts[-3]] = handler
    differing = {
        name: sorted(by_role)
        for name, by_role in named.items()
        if any(handler != next(iter(by_role.values())) for handler in by_role.values())
    }
    assert not differing
    assert named, "no handler was looked at"
