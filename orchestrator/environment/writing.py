"""Writing the files that people write too: whole or not at all."""

import os
import shutil
from pathlib import Path

from orchestrator.errors import PasInfraError


def text_of(file: Path) -> str | None:
    """What a file says; None when there is none."""
    return file.read_text("utf-8") if file.exists() else None


def replace_text(file: Path, text: str) -> None:
    """Give a file, which need not exist, this text; nobody ever sees half of it."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, "utf-8")
        if file.exists():
            shutil.copymode(file, unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def replace_text_of(file: Path, before: str | None, text: str) -> None:
    """The same, if the file still says what it did when it was read (None: there was none).

    Raises PasInfraError when somebody has changed it meanwhile: nothing of theirs is lost.
    """
    if text_of(file) != before:
        raise PasInfraError(
            "somebody changed the file meanwhile; nothing was written",
            where=file,
            next_step="run the command again",
        )
    replace_text(file, text)
