"""Do the results add up to Ansible's own statistics? A gap is named, and never reported as fine."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from orchestrator.records import HostRecap, TaskResult, TaskStatus

# How the statistics count each result (a change is also "ok", an ignored failure too).
_COUNTED_AS = {
    TaskStatus.OK: ("ok",),
    TaskStatus.CHANGED: ("ok", "changed"),
    TaskStatus.SKIPPED: ("skipped",),
    TaskStatus.BLIND: ("skipped",),
    TaskStatus.FAILED: ("failed",),
    TaskStatus.UNREACHABLE: ("unreachable",),
    TaskStatus.IGNORED: ("ok", "ignored"),
    TaskStatus.RESCUED: ("rescued",),
}
_COMPARED = ("ok", "changed", "skipped", "failed", "unreachable", "ignored", "rescued")


def find_gaps(
    results: Iterable[TaskResult],
    recap: Mapping[str, HostRecap] | None,
    expected_hosts: Sequence[str],
    more_ok: Mapping[str, int] | None = None,
) -> list[str]:
    """One sentence for each thing that is missing or does not add up; empty when all does.

    `more_ok` is what Ansible counts as "ok", by host, beyond one a result (EventReader.more_ok).
    """
    if recap is None:
        return ["Ansible ended without its final statistics"]
    counted = {host: Counter(ok=(more_ok or {}).get(host, 0)) for host in recap}
    for result in results:
        counted.setdefault(result.host, Counter()).update(_COUNTED_AS[result.status])
    gaps = [f"{host}: no task ran there" for host in expected_hosts if host not in recap]
    for host, counts in counted.items():
        stated = recap.get(host, HostRecap())
        for name in _COMPARED:
            seen, said = counts[name], getattr(stated, name)
            # A failure that was ignored may have changed something; the statistics count that too.
            doubtful = counts["ignored"] if name == "changed" else 0
            if not seen <= said <= seen + doubtful:
                gaps.append(f"{host}: Ansible counts {said} {name}, its events show {seen}")
    return gaps
