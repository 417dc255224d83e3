"""Which vulnerabilities are open on which host, how grave they are and what was decided of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from orchestrator.vulnerabilities.decisions import Decision
from orchestrator.vulnerabilities.installed import Source
from orchestrator.vulnerabilities.tracker import Advisory, State
from orchestrator.vulnerabilities.versions import version_key

SEVERITIES = ("unimportant", "low", "medium", "high")
_LATEST = len(SEVERITIES)


@dataclass(frozen=True)
class Exposure:
    """A vulnerability that is open on a host.

    `severity` is the tracker's urgency, which is often `not yet assigned`; `fixed` is the version
    that ends it, or ""; `status` is `open` or `undetermined` where there is none, and `fixable`
    where there is; `first_seen` is when pas-infra first saw it here: the tracker tells no date.
    """

    host: str
    cve: str
    package: str
    installed: str
    severity: str
    status: str
    fixed: str
    no_dsa: str
    description: str
    first_seen: date
    decision: Decision | None

    def decided(self, today: date) -> bool:
        """Whether a decision holds today."""
        return self.decision is not None and self.decision.holds(today)


def exposures(
    installed: Mapping[str, Collection[Source]],
    advisories: Mapping[str, Sequence[Advisory]],
    decisions: Mapping[tuple[str, str], Decision],
    first_seen: Mapping[str, Mapping[str, str]],
    today: date,
) -> list[Exposure]:
    """All that is open, the gravest first, of each what can be ended at once before the rest."""
    found = [
        exposure
        for host, sources in installed.items()
        for exposure in _on_host(host, sources, advisories, decisions, first_seen, today)
    ]
    return sorted(
        found, key=lambda e: (-_rank(e.severity), e.status != "fixable", e.cve, e.package, e.host)
    )


def reaches(severity: str, least: str) -> bool:
    """Whether a severity counts; one that nobody assigned may be any, and always does."""
    return _rank(severity) >= SEVERITIES.index(least)


def state_that_counts(version: str, advisory: Advisory) -> State:
    """A backport comes from unstable, whatever the release's own version is."""
    return advisory.unstable if "~bpo" in version and advisory.unstable else advisory.here


def is_open(version: str, advisory: Advisory) -> bool:
    """Whether this version of the package has the vulnerability, as far as the tracker knows."""
    state = state_that_counts(version, advisory)
    if state.status == "resolved":
        # Most of them never had it here, or were mended long ago.
        fixed = state.fixed
        return fixed not in ("", "0", version) and version_key(version) < version_key(fixed)
    unstable = advisory.unstable.fixed if advisory.unstable else ""
    # A version that is newer than the release's, and has the fix.
    return unstable in ("", "0") or version_key(version) < version_key(unstable)


def _on_host(
    host: str,
    sources: Collection[Source],
    advisories: Mapping[str, Sequence[Advisory]],
    decisions: Mapping[tuple[str, str], Decision],
    first_seen: Mapping[str, Mapping[str, str]],
    today: date,
) -> Iterator[Exposure]:
    for source in sources:
        for advisory in advisories.get(source.package, ()):
            if not is_open(source.version, advisory):
                continue
            state = state_that_counts(source.version, advisory)
            seen = first_seen.get(host, {}).get(f"{advisory.cve} {source.package}")
            yield Exposure(
                host=host,
                cve=advisory.cve,
                package=source.package,
                installed=source.version,
                severity=state.urgency,
                status="fixable" if state.status == "resolved" else state.status,
                fixed=state.fixed if state.status == "resolved" else "",
                no_dsa=state.no_dsa,
                description=" ".join(advisory.description.split()),
                first_seen=date.fromisoformat(seen) if seen else today,
                decision=decisions.get((advisory.cve, host)),
            )


def _rank(severity: str) -> int:
    # What is no longer supported, or not yet assessed, is not known to be harmless.
    return SEVERITIES.index(severity) if severity in SEVERITIES else _LATEST
