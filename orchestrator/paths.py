"""Where things lie: what travels with the program, and the user's own directories."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).parent


def project_root() -> Path:
    """The directory that holds `roles/`, `playbooks/`, `inventories/` and `tests/hosts/`.

    A checkout's root when the program runs from one, else what the wheel carries.
    """
    carried = _PACKAGE / "project"
    return carried if carried.is_dir() else _PACKAGE.parent


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable)
    return Path(value) if value else Path.home() / fallback


def state_directory() -> Path:
    """The user's state directory: stores and labs (XDG base directory specification)."""
    return _xdg("XDG_STATE_HOME", ".local/state") / "pas-infra"


def lab_directory() -> Path:
    """The directory of the lab that commands work on: the one named, or that of the default lab."""
    named = os.environ.get("PAS_INFRA_LAB_DIR")
    return Path(named) if named else state_directory() / "labs/default"


def cache_directory() -> Path:
    """The user's cache directory: all in it can be built again."""
    return _xdg("XDG_CACHE_HOME", ".cache") / "pas-infra"
