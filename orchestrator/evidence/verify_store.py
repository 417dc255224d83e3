"""Verify the store itself: what lies in it beside what its chain says."""

from datetime import datetime
from pathlib import Path

from orchestrator.evidence.examine import chain_findings, run_findings, superseded
from orchestrator.evidence.finding import Finding, once
from orchestrator.evidence.record import Examined, read_record
from orchestrator.evidence.verified import Verified, still_holds
from orchestrator.evidence.verify import kept_in, verify_bundle
from orchestrator.inventory.take import COMMAND as INVENTORY
from orchestrator.store import Store
from orchestrator.store.chain import FIRST

_ENOUGH = 1000


def verify_store(
    store: Store, allowed_signers: Path | None, after: Path | None, now: datetime
) -> Verified:
    """Verify the store itself; with `after`, that it still holds what that bundle showed."""
    with store.chain.at_one_moment():
        links, numbers = store.chain.links(), store.chain.run_numbers()
    gone, original = superseded(links), kept_in(after)
    findings = list(chain_findings(links, FIRST, 1, "links"))
    records: list[Examined] = []
    for link in links:
        if link.position in gone:
            continue
        text, file = store.chain.record(link), _of_store(link.run)
        if text is None:
            findings.append(Finding(file, "the run was removed, its link is there", None, link.run))
            continue
        findings += read_record(link, text, file, records, original)
    place = {one.link.run: _of_store(one.link.run) for one in records}
    findings += run_findings(records, store.environment, place)
    findings = once(findings)
    # A record has the digest alone; one that was changed itself is told of above.
    for run, name, there in store.inventories.forged(INVENTORY):
        what = "was changed in the store" if there else "was removed from the store"
        findings.append(Finding(_of_store(run), f"the {name} {what}", None, run))
    chained = {link.run for link in links}
    # Where the highest number itself was forged, a few of the runs that it makes up are enough.
    highest = min(numbers.begun, max(numbers.present | chained, default=0) + _ENOUGH)
    removed = set(range(1, highest + 1)) - numbers.present - chained
    findings += [
        Finding(_of_store(run), "the run was removed, and its link with it", None, run)
        for run in sorted(removed)
    ]
    findings += [
        Finding(_of_store(run), "it has ended and has no link: it was put in by hand, or its link "
                "was removed", None, run)
        for run in numbers.unchained
    ]  # fmt: skip
    if after is not None:
        findings += still_holds(links, verify_bundle(after, allowed_signers, None, now))
    return Verified(store.path, tuple(findings), tuple(links))


def _of_store(run: int) -> str:
    return f"record of run {run}"
