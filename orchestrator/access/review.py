"""The yearly review of who may do what (5.4.1): its record, and when the next one is due."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

from orchestrator.environment.lines import read
from orchestrator.environment.register_definitions import register_definition
from orchestrator.environment.registers import Entry, append, read_register
from orchestrator.environment.shape import departures
from orchestrator.errors import ConfigurationInvalid, PasInfraError

REGISTER: Final = "access_reviews"
Choice = Literal["keep", "change", "revoke"]


@dataclass(frozen=True)
class Decision:
    """What was decided of one account, and why."""

    account: str
    decision: Choice
    remark: str


def record_review(
    directory: Path,
    decisions: Sequence[Decision],
    *,
    accounts: Collection[str],
    live_list: str,
    hosts: Sequence[str],
    by: str,
    today: date,
) -> Path:
    """Add a review to the register; returns its file.

    `accounts` are all that the live list shows: each must be decided on, once. `live_list` is the
    SHA-256 of that list, in hexadecimal. Raises PasInfraError otherwise, and writes nothing.
    """
    decided = [decision.account for decision in decisions]
    faults = [
        *(f"`{account}` is not decided on" for account in sorted(set(accounts) - set(decided))),
        *(f"`{account}` is no live account" for account in sorted(set(decided) - set(accounts))),
        *(f"`{a}` is decided on twice" for a in sorted(set(decided)) if decided.count(a) > 1),
    ]
    if faults:
        raise PasInfraError(
            f"the review is not complete: {'; '.join(faults)}",
            next_step="decide on each account of `pas-infra access list`, once",
        )
    entry = {
        "date": today,
        "by": by,
        "live_list": f"sha256:{live_list}",
        "hosts": list(hosts),
        "decisions": [asdict(decision) for decision in decisions],
    }
    return append(directory, REGISTER, entry, today=today)


def read_decisions(file: Path) -> list[Decision]:
    """The decisions in a file, a list as it stands in the register.

    Raises ConfigurationInvalid with every problem of the file.
    """
    document, problems = read(file)
    if document is not None:
        problems += departures(document, register_definition(REGISTER).fields["decisions"])
    if document is None or problems:
        raise ConfigurationInvalid(problems)
    entries: Any = document.data
    return [Decision(**entry) for entry in entries]


def read_reviews(directory: Path) -> tuple[Entry, ...]:
    """The reviews of the environment in `directory`, oldest first."""
    return read_register(directory, REGISTER)


def next_due(reviews: Sequence[Entry]) -> date | None:
    """The last day on which the next review is in time; None when there was none yet."""
    if not reviews:
        return None
    last = date.fromisoformat(reviews[-1]["date"])
    try:
        return last.replace(year=last.year + 1)
    except ValueError:  # the 29th of February
        return date(last.year + 1, 2, 28)


def still_declared(reviews: Sequence[Entry], people: Mapping[str, Any]) -> list[str]:
    """The accounts that the last review revoked and that people.yml still declares."""
    declared = {
        entry["account"] for part in ("persons", "machines") for entry in people.get(part, ())
    }
    decisions = reviews[-1]["decisions"] if reviews else ()
    revoked = {one["account"] for one in decisions if one["decision"] == "revoke"}
    return sorted(declared & revoked)
