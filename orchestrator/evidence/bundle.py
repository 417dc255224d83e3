"""A bundle's files and what its manifest says."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from orchestrator.store.chain import parse_canonical

FORM = "pas-infra-evidence-1"
SUMS, SIGNATURE, MANIFEST, MEASURES = (
    "SHA256SUMS",
    "SHA256SUMS.sig",
    "manifest.json",
    "measures.json",
)
# Where the OSCAL documents lie, and how they name the records.
OSCAL, RECORDS_FROM_OSCAL = "oscal/", "../records/"
_SUM = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)")
_RECORD = re.compile(r"records/run-([0-9]{6,})\.jsonl")


@dataclass(frozen=True)
class Mark:
    """How far an export went: the last link, the highest run, and the runs that had not ended.

    The next one begins there.
    """

    position: int
    link: str
    begun: int
    running: tuple[int, ...]

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read what `as_data` wrote. Raises LookupError, TypeError or ValueError for all else."""
        return cls(
            int(data["position"]),
            str(data["link"]),
            int(data["begun"]),
            tuple(int(run) for run in data["running"]),
        )

    def as_data(self) -> dict[str, Any]:
        """The mark as JSON has it."""
        return asdict(self) | {"running": list(self.running)}


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself; `after` is where it begins, `until` where it ends.

    `started` and `ended` are the first run's start and the moment of the last link; `run` is the
    export's own run, which is in the next bundle; a look older than `max_age_days` counts no more.
    """

    form: str
    tool: str
    environment: str
    control_node: str
    who: str
    commit: str
    made: str
    run: int
    started: str
    ended: str
    links: int
    after: Mark
    until: Mark
    previous_bundle: Mark | None
    max_age_days: int = 0  # 0 in a bundle of before looks could be too old

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a manifest. Raises ValueError for what is none."""
        try:
            data = parse_canonical(content.decode("ascii").removesuffix("\n"))
            before = data["previous_bundle"]
            marks = {
                "after": Mark.from_data(data["after"]),
                "until": Mark.from_data(data["until"]),
                "previous_bundle": before and Mark.from_data(before),
            }
            # A later version may say more: the form is only added to.
            known = {each.name for each in fields(cls)}
            read = cls(**{name: data[name] for name in data if name in known} | marks)
        except (LookupError, TypeError) as error:
            raise ValueError(f"it is no manifest: {error}") from error
        for each in fields(cls):
            if each.type in (str, int) and type(getattr(read, each.name)) is not each.type:
                raise ValueError(f"it is no manifest: `{each.name}` is of another type")
        if read.form != FORM:
            raise ValueError(f"it is of the form `{read.form}`, this program reads {FORM}")
        return read

    def as_data(self) -> dict[str, Any]:
        """The manifest as JSON has it."""
        marks = {"after": self.after.as_data(), "until": self.until.as_data()}
        before = self.previous_bundle and self.previous_bundle.as_data()
        return asdict(self) | marks | {"previous_bundle": before}


def record_name(run: int) -> str:
    """The file of a run's record."""
    return f"records/run-{run:06d}.jsonl"


def run_of_record(name: str) -> int | None:
    """The run whose record a file is; None for another file."""
    found = _RECORD.fullmatch(name)
    return int(found[1]) if found else None


def sha256sums(sums: Mapping[str, str]) -> bytes:
    """The sums of files, as `sha256sum` writes and checks them."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def parse_sha256sums(content: bytes) -> dict[str, str]:
    """Read such a file. Raises ValueError, with the line, for what `sha256sums` does not write."""
    sums: dict[str, str] = {}
    for number, line in enumerate(content.decode("ascii").splitlines(), start=1):
        found = _SUM.fullmatch(line)
        if not found or found[2] in sums:
            raise ValueError(f"line {number} is no sum of a file, or the second one")
        sums[found[2]] = found[1]
    if sha256sums(sums) != content:
        raise ValueError("its lines are not in the order in which they are written")
    return sums


def sum_of(content: bytes) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(content).hexdigest()
