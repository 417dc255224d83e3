"""The content of ssg-debian, made to look where Debian 13 keeps its settings."""

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Correction:
    """A place in the content that is another one on the host; what is asked for stays the same.

    `delivered` says that nothing can be measured without it.
    """

    what: str
    why: str
    was: str
    becomes: str
    delivered: bool = False


def read_corrections() -> tuple[Correction, ...]:
    """Those of tests/scan/content.yml."""
    entries = yaml.safe_load(Path(__file__).with_name("content.yml").read_text("utf-8"))
    return tuple(Correction(**entry) for entry in entries)


def corrected(content: str, corrections: tuple[Correction, ...]) -> str:
    """The content with its corrections; raises ValueError where one has nothing to correct."""
    for correction in corrections:
        if correction.was not in content:
            raise ValueError(f"the content has changed: {correction.what} is not in it")
        content = content.replace(correction.was, correction.becomes)
    return content
