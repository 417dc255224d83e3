"""Real hosts to tamper with: several at a time, each with tamperings of its own."""

import os
import shlex
import subprocess
import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
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

Batch = Sequence[Tampering]  # done to one host at once


@dataclass(frozen=True)
class Sight:
    """What a plan and the checks saw of one host; `troubles` is why they may not have seen all."""

    drift: frozenset[str] = frozenset()
    failing: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()

    def is_exactly(self, batch: Batch, known: Set[str]) -> bool:
        """Whether all of the batch was seen, and nothing else."""
        fails = frozenset[str]().union(*(each.fails for each in batch))
        drift = frozenset[str]().union(*(each.drift for each in batch))
        said = [pair for each in batch for pair in each.says.items()]
        return (
            not self.troubles
            and self.drift == drift
            and self.failing.keys() == fails | known
            and all(text in self.failing[check] for check, text in said)
        )

    def share(self, tampering: Tampering, known: Set[str]) -> "Sight":
        """What of a batch that was seen exactly is this tampering's: nothing is two's."""
        mine = tampering.fails | known
        failing = {check: text for check, text in self.failing.items() if check in mine}
        return Sight(self.drift & tampering.drift, failing)


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

    def run(self, scripts: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Run each host's scripts as root, the hosts side by side; what failed, by host."""
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

    def sight(self, tampering: Tampering, round_: Sequence[Batch], known: Set[str]) -> Sight:
        """What is seen of a tampering; the others of its round are done at the same time.

        A batch of which more, less or other things are seen than each of it names proves nothing:
        its tamperings are tried again, each by itself.
        """
        if tampering not in self._seen:
            again: list[Tampering] = []
            for batch, seen in zip(round_, self._try(round_), strict=True):
                if len(batch) == 1:
                    self._seen[batch[0]] = seen
                elif seen.is_exactly(batch, known):
                    self._seen |= {each: seen.share(each, known) for each in batch}
                else:
                    names = ", ".join(map(str, batch))
                    warnings.warn(f"not told apart: {names}: {seen}", stacklevel=2)
                    again += batch
            for alone in rounds([(each,) for each in again], len(self.hosts)):
                self._seen |= {
                    batch[0]: seen for batch, seen in zip(alone, self._try(alone), strict=True)
                }
        return self._seen[tampering]

    def _try(self, round_: Sequence[Batch]) -> list[Sight]:
        """Tamper with one host a batch, look, and undo it."""
        places = dict(zip(self.hosts, round_, strict=False))
        faults = self.run({host: [each.change for each in batch] for host, batch in places.items()})
        try:
            seen = self.look(list(places))
        finally:
            undone = self.run(
                {host: [each.undo for each in reversed(batch)] for host, batch in places.items()}
            )
        return [
            replace(
                seen[host],
                troubles=(
                    *seen[host].troubles,
                    *(fate[host] for fate in (faults, undone) if host in fate),
                ),
            )
            for host in places
        ]

    def converge(self) -> dict[str, frozenset[str]]:
        """Apply the role; the tasks that changed something, by host."""
        outcome = play(
            site_request(self._environment, self._selection, default_strategy(), check=False),
            on_progress=lambda _: None,
        )
        assert outcome.status is PlayStatus.OK, (outcome.failed, outcome.gaps)
        return {
            host: frozenset(f"{r.role} : {r.task}" for r in outcome.changed if r.host == host)
            for host in self.hosts
        }

    def is_container(self) -> bool:
        """Whether the hosts share this machine's kernel."""
        return not self.run({self.hosts[0]: ["systemd-detect-virt --container --quiet"]})


def rounds(batches: Sequence[Batch], size: int) -> list[tuple[Batch, ...]]:
    """The batches in groups of `size`, one a host."""
    return [tuple(batches[i : i + size]) for i in range(0, len(batches), size)]


def _failing(checks: Iterable[CheckResult], host: str) -> dict[str, str]:
    return {
        check.check: check.message
        for check in checks
        if check.host == host and check.verdict is Verdict.FAILS
    }


def _root(connection: Connection, scripts: Sequence[str]) -> str:
    """Run the scripts, each in a shell of its own, over one login: sshd may be reloading."""
    tries = [
        f"bash -eu -c {quoted} || {{ echo exit $? of {quoted} >&2; code=1; }}"
        for quoted in map(shlex.quote, scripts)
    ]
    done = subprocess.run(
        [*connection.ssh_batch, "sudo", "bash", "-s"],
        input="\n".join(["code=0", *tries, "exit $code"]),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=dict(os.environ),
    )
    if done.returncode == 0:
        return ""
    return f"exit {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}"
