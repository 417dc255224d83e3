"""Real hosts to tamper with: several at a time, each with a tampering of its own."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from orchestrator.engine import Connection, PlayStatus, connections, default_strategy, play
from orchestrator.environment import Environment
from orchestrator.plan import make_plan, site_request
from orchestrator.records import CheckResult, Verdict
from orchestrator.runs import utc_now
from orchestrator.selection import Selection
from orchestrator.verify import verify
from tampering.corpus import Tampering


@dataclass(frozen=True)
class Sight:
    """What a plan and the checks saw of one host; `troubles` is why they may not have seen all."""

    drift: frozenset[str] = frozenset()
    failing: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()


class Bench:
    """The hosts of one environment, and one role that they were converged with."""

    def __init__(self, environment: Environment, role: str, hosts: Sequence[str]) -> None:
        # Waivers off: a waived check that fails for one more reason must be seen to do so. But not
        # those of a recommendation: the role reads them too, and leaves the setting alone.
        kept = tuple(w for w in environment.waivers if not w.rule.startswith("test_"))
        self._environment = replace(environment, waivers=kept)
        self.waived = {(w.rule, host) for w in environment.waivers for host in w.hosts or hosts}
        self._selection = Selection(tuple(hosts), roles=(role,))
        self._connections = {c.host: c for c in connections(environment, hosts)}
        self._seen: dict[Tampering, Sight] = {}

    @property
    def hosts(self) -> tuple[str, ...]:
        return self._selection.hosts

    def run(self, scripts: Mapping[str, str]) -> dict[str, str]:
        """Run a script as root on each host, side by side; returns what failed, by host."""
        with ThreadPoolExecutor(max_workers=len(self.hosts)) as pool:
            said = pool.map(
                lambda host: _root(self._connections[host], scripts[host]), list(scripts)
            )
            return {host: fault for host, fault in zip(scripts, said, strict=True) if fault}

    def look(self, hosts: Sequence[str] | None = None) -> dict[str, Sight]:
        """Ask check mode and the checks, at the same time, what they see."""
        selection = replace(self._selection, hosts=tuple(hosts or self.hosts))
        with ThreadPoolExecutor(max_workers=1) as pool:
            checking = pool.submit(verify, self._environment, selection)
            plan, outcome = make_plan(
                self._environment,
                selection,
                default_strategy(),
                on_progress=lambda _: None,
                now=utc_now(),
            )
            verification = checking.result()
        troubles = [*outcome.gaps, *(f"{f.host}: {f.task}: {f.message}" for f in outcome.failed)]
        troubles += [f"{host}: {why}" for host, why in verification.missing.items()]
        troubles += [f"{c.host}: {c.check}: {c.message}" for c in verification.in_doubt]
        return {
            host: Sight(
                drift=frozenset(f"{c.role} : {c.task}" for c in plan.changes if c.host == host),
                failing=_failing(verification.checks, host),
                troubles=tuple(t for t in troubles if t.startswith(f"{host}: ") or ": " not in t),
            )
            for host in selection.hosts
        }

    def sight(self, tampering: Tampering, round_: Sequence[Tampering]) -> Sight:
        """What is seen of a tampering; the others of its round happen on the other hosts."""
        if tampering not in self._seen:
            places = dict(zip(self.hosts, round_, strict=False))
            faults = self.run({host: each.change for host, each in places.items()})
            try:
                seen = self.look(list(places))
            finally:
                undone = self.run({host: each.undo for host, each in places.items()})
            for host, each in places.items():
                more = [f"{fate[host]}" for fate in (faults, undone) if host in fate]
                self._seen[each] = replace(seen[host], troubles=(*seen[host].troubles, *more))
        return self._seen[tampering]

    def converge(self) -> list[str]:
        """Apply the role; returns what went wrong."""
        outcome = play(
            site_request(self._environment, self._selection, default_strategy(), check=False),
            on_progress=lambda _: None,
        )
        if outcome.status is PlayStatus.OK:
            return []
        return [*outcome.gaps, *(f"{f.host}: {f.task}: {f.message}" for f in outcome.failed)]

    def is_container(self) -> bool:
        """Whether the hosts share this machine's kernel."""
        return not self.run({self.hosts[0]: "systemd-detect-virt --container --quiet"})


def rounds(tamperings: Iterable[Tampering], size: int) -> dict[Tampering, tuple[Tampering, ...]]:
    """The tamperings in groups of `size`, one a host."""
    everything = list(tamperings)
    groups = [tuple(everything[i : i + size]) for i in range(0, len(everything), size)]
    return {tampering: group for group in groups for tampering in group}


def _failing(checks: Iterable[CheckResult], host: str) -> dict[str, str]:
    return {
        check.check: check.message
        for check in checks
        if check.host == host and check.verdict is Verdict.FAILS
    }


def _root(connection: Connection, script: str) -> str:
    done = subprocess.run(
        [*connection.ssh_batch, "sudo", "bash", "-eu", "-s"],
        input=script,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=dict(os.environ),
    )
    if done.returncode == 0:
        return ""
    return f"exit {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}\n{script}"
