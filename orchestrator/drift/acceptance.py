"""What was accepted: waivers of waivers.yml that name a finding, until their last day."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from orchestrator.drift.finding import Finding
from orchestrator.environment import Environment, Waiver, load_environment
from orchestrator.environment.writing import replace_text_of, text_of
from orchestrator.errors import PasInfraError
from orchestrator.records import Sighting

FILE = "waivers.yml"
_HEAD = "---\n# Accepted deviations, each with its reason and its last day.\n"


def rules_of(finding: Finding | Sighting) -> tuple[str, ...]:
    """The rules that waive it: `drift:changed file /etc/issue`, and the checks that fail with it.

    A check is waived by its name, as `verify` waives it.
    """
    own = () if finding.object_kind == "check" else (f"drift:{finding.kind} {finding.object}",)
    return (*own, *finding.checks)


def waiver_of(finding: Finding, waivers: Iterable[Waiver]) -> Waiver | None:
    """The waiver that names it, the one that holds longest; it may have expired.

    A check that fails with it has to be waived as well: what was accepted while it held is worse
    now. Then it is the one of them that ends first.
    """
    known = [w for w in waivers if finding.host in (w.hosts or (finding.host,))]
    longest = [
        max((w for w in known if w.rule == rule), key=lambda waiver: waiver.until, default=None)
        for rule in rules_of(finding)
    ]
    held = [waiver for waiver in longest if waiver is not None]
    return min(held, key=lambda waiver: waiver.until) if len(held) == len(longest) else None


@dataclass(frozen=True)
class Acceptance:
    """What waivers.yml says, and what it would say."""

    file: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(difflib.unified_diff(before, after, self.file.name, self.file.name))


def accept(
    environment: Environment,
    finding: Sighting,
    *,
    reason: str,
    compensating_measure: str,
    until: date,
    approver: str,
    today: date,
) -> Acceptance:
    """Write a waiver of the finding into waivers.yml, below what stands there.

    Raises PasInfraError for a day that has passed, or an acceptance that holds as long already, and
    ConfigurationInvalid when the environment would not be valid with it: nothing is written then.
    """
    if until < today:
        raise PasInfraError(
            f"{until} has passed", next_step="name the last day on which it may stay as it is"
        )
    _refuse_second(environment.waivers, finding, until)
    file = environment.directory / FILE
    there = text_of(file)
    before = _HEAD if there is None else there
    entries = [
        {
            "rule": rule,
            "reason": reason,
            "compensating_measure": compensating_measure,
            "approver": approver,
            "until": until.isoformat(),
            "hosts": [finding.host],
        }
        for rule in rules_of(finding)
    ]
    after = before.rstrip("\n") + "\n" + "".join(map(_entry, entries))
    load_environment(environment.directory, drafts={"waivers": after})
    replace_text_of(file, there, after)
    return Acceptance(file, before, after)


def _refuse_second(waivers: Sequence[Waiver], finding: Sighting, until: date) -> None:
    rules = rules_of(finding)
    for waiver in waivers:
        if waiver.rule in rules and finding.host in (waiver.hosts or ()) and waiver.until >= until:
            raise PasInfraError(
                f"it is accepted until {waiver.until} already, by {waiver.approver}",
                where=FILE,
                next_step="name a later day, or change that entry",
            )


def _entry(entry: Mapping[str, object]) -> str:
    """An entry as the file has them: one line a value, the hosts in brackets."""
    lines = [
        f"{key}: {yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)}"
        for key, value in entry.items()
    ]
    text = "".join(line.replace("\n...\n", "\n") for line in lines)
    return "- " + text.rstrip("\n").replace("\n", "\n  ") + "\n"
