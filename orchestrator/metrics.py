"""The text format of Prometheus, for the textfile collector of its node exporter."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.errors import refusal

_MODE = 0o644  # another account reads it

Labels = Mapping[str, str]


def gauge(name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> list[str]:
    """The lines of one metric that goes up and down; `help_text` is a sentence without its dot.

    Times are in seconds since 1970.
    """
    return [
        f"# HELP {name} {help_text}.",
        f"# TYPE {name} gauge",
        *(f"{name}{_written(labels)} {value:.15g}" for labels, value in samples),
    ]


def as_text(lines: Iterable[str]) -> str:
    """The lines as the content of a file."""
    return "".join(f"{line}\n" for line in lines)


def write_metrics(text: str, file: Path) -> None:
    """Put them in the place of the former ones, whole: the exporter reads whenever it likes.

    Raises PasInfraError where this machine refuses.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text, "utf-8")
        beside.chmod(_MODE)
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise refusal(error) from error


def _written(labels: Labels) -> str:
    said = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
    return f"{{{said}}}" if said else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
