"""Benchmark: a no-change apply with Mitogen and with the stock strategy, on the same hosts.

Prints wall time and CPU time of the control node (medians), their ratio, and the largest memory
(proportional set size of every process of the control node) that was seen. It judges nothing.
"""

import argparse
import os
import resource
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator.engine import PlayStatus, Strategy, play
from orchestrator.environment import load_environment
from orchestrator.lab import lab_layout
from orchestrator.plan import site_request
from orchestrator.selection import select


@dataclass(frozen=True)
class Sample:
    wall: float  # seconds
    cpu: float  # seconds
    memory: float  # MB


class MemoryWatch(threading.Thread):
    """The largest memory of this process and its descendants, looked at twice a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_kb = 0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.5):
            self.peak_kb = max(self.peak_kb, sum(map(pss_kb, descendants(os.getpid()))))

    def stop(self) -> float:
        self._over.set()
        self.join()
        return self.peak_kb / 1024


def descendants(root: int) -> set[int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def pss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def cpu_seconds() -> float:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measure(strategy: Strategy, *, expect_changes: bool = False) -> Sample:
    environment = load_environment("lab")
    request = site_request(environment, select(environment), strategy, check=False)
    watch = MemoryWatch()
    watch.start()
    cpu, started = cpu_seconds(), time.monotonic()
    outcome = play(request, on_progress=lambda _: None)
    wall, used = time.monotonic() - started, cpu_seconds() - cpu
    memory = watch.stop()
    if outcome.status is not PlayStatus.OK:
        sys.exit(f"the apply was {outcome.status}: {outcome.failed or outcome.gaps}")
    if outcome.changed and not expect_changes:
        sys.exit(f"not a no-change apply: {[f'{r.host} {r.task}' for r in outcome.changed]}")
    return Sample(wall, used, memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", default="default")
    parser.add_argument("--repetitions", type=int, default=3)
    chosen = parser.parse_args()
    os.environ["PAS_INFRA_LAB_DIR"] = str(lab_layout(chosen.lab).directory)
    measure(Strategy.MITOGEN, expect_changes=True)
    samples: dict[Strategy, list[Sample]] = {strategy: [] for strategy in Strategy}
    for _ in range(chosen.repetitions):
        # In turn, so that a busy spell of the machine hits both.
        for strategy in Strategy:
            samples[strategy].append(measure(strategy))
    medians = {
        strategy: Sample(
            statistics.median(s.wall for s in found),
            statistics.median(s.cpu for s in found),
            max(s.memory for s in found),
        )
        for strategy, found in samples.items()
    }
    print(
        f"no-change apply, 3 hosts, {chosen.repetitions} repetitions, load {os.getloadavg()[0]:.1f}"
    )
    print("strategy    wall s   CPU s   peak memory MB")
    for strategy, sample in medians.items():
        print(f"{strategy:<10}{sample.wall:8.1f}{sample.cpu:8.1f}{sample.memory:17.0f}")
    mitogen, stock = medians[Strategy.MITOGEN], medians[Strategy.LINEAR]
    print(f"ratio     {mitogen.wall / stock.wall:8.2f}{mitogen.cpu / stock.cpu:8.2f}")


if __name__ == "__main__":
    main()
