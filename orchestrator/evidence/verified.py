"""What was verified, and whether one thing follows another that was."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.evidence.bundle import MANIFEST, Manifest
from orchestrator.evidence.examine import CHAIN
from orchestrator.evidence.finding import Finding
from orchestrator.exit_codes import ExitCode
from orchestrator.store.chain import Chained, Link


@dataclass(frozen=True)
class Verified:
    """What was verified: `links` of it, and every finding against it.

    `signer` is None when nobody said who may sign: then only that the signature is of this bundle
    was looked at. `later` counts the runs that were chained after they had ended.
    """

    subject: Path
    findings: tuple[Finding, ...]
    links: tuple[Link, ...] = ()
    manifest: Manifest | None = None
    key: str = ""
    signer: str | None = None

    @property
    def later(self) -> int:
        """How many runs were chained later than they ended, from before there was a chain."""
        return sum(link.how == Chained.MIGRATED for link in self.links)

    @property
    def exit_code(self) -> ExitCode:
        """Findings for what was forged; incomplete when nobody knows what, or who signed it."""
        if self.findings:
            return ExitCode.FINDINGS
        unsigned = self.manifest is not None and self.signer is None
        return ExitCode.INCOMPLETE if unsigned or not self.links else ExitCode.OK


def following(manifest: Manifest, links: list[Link], previous: Verified) -> Iterator[Finding]:
    """Whether a bundle follows one that was verified, without a gap and without a change."""
    yield from _of_previous(previous)
    before = previous.manifest
    if before is None:
        return
    if before.environment != manifest.environment:
        yield Finding(
            MANIFEST,
            f"the bundle is of {manifest.environment}, the one before it of {before.environment}",
        )
        return
    until, after = before.until, manifest.after
    if after.position > until.position:
        yield Finding(
            CHAIN, f"links {until.position + 1} to {after.position} are in neither bundle: one is "
            "missing between them"
        )  # fmt: skip
    elif after.position == until.position:
        if after.link != until.link:
            yield Finding(CHAIN, f"it follows another link {until.position} than the bundle before "
                          "it ended with: the chain was calculated anew", 1)  # fmt: skip
        elif (after.begun, after.running) != (until.begun, until.running):
            yield Finding(
                MANIFEST, "it accounts for other runs than the bundle before it left open"
            )
    else:
        yield from still_holds(links, previous, told=True)


def still_holds(
    links: list[Link] | tuple[Link, ...], previous: Verified, *, told: bool = False
) -> Iterator[Finding]:
    """Whether a chain holds every link of a bundle, as far as it goes back."""
    if not told:
        yield from _of_previous(previous)
    present = {link.position: link for link in links}
    first = min(present, default=1)
    for link in previous.links:
        now = present.get(link.position)
        if link.position >= first and (now is None or now.sha256 != link.sha256):
            what = "is gone" if now is None else "is another one now: the chain was calculated anew"
            what = f"link {link.position}, which {previous.subject.name} shows, {what}"
            yield Finding(CHAIN, what, None, link.run)
            return


def _of_previous(previous: Verified) -> Iterator[Finding]:
    for finding in previous.findings:
        yield replace(finding, file=f"{previous.subject.name}: {finding.file}")
