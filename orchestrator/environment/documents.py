"""The texts that the register `documents` names, and whether they are those that were approved."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.paths import project_root


def document_file(directory: Path, name: str) -> Path:
    """The file of a document: the environment's own, else the one that the program brings.

    So a procedure (`docs/procedures/…`) is approved as it is delivered, or adapted in a copy below
    the environment's directory. Neither need exist.
    """
    own = directory / name
    return own if own.is_file() else project_root() / name


def file_digest(content: bytes) -> str:
    """The SHA-256 of a document, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def departure(directory: Path, entry: Mapping[str, Any]) -> str:
    """What an entry's file is other than what was approved: `missing`, `altered`, or nothing."""
    file = document_file(directory, entry["file"])
    if not file.is_file():
        return "missing"
    return "" if file_digest(file.read_bytes()) == entry["sha256"] else "altered"
