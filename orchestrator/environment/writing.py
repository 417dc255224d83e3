"""Writing the files that people write too: whole or not at all."""

import os
import shutil
from pathlib import Path


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
