"""What is found against a bundle or a store."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it was recorded: where (line 1-based), in which run, and what."""

    file: str
    what: str
    line: int | None = None
    run: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {'' if self.run is None else f'run {self.run}: '}{self.what}"


def once(findings: list[Finding]) -> list[Finding]:
    """Each change once: what it makes of the rest of the same line is not told of."""
    told: dict[tuple[str, int | None, int | None], Finding] = {}
    for finding in findings:
        told.setdefault((finding.file, finding.line, finding.run), finding)
    return list(told.values())
