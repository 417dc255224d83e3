"""What the hash chain costs: `python tests/bench/evidence.py`.

Says how long the end of a run takes with and without its link, and how long a year of nightly runs
over three hosts is exported and verified, with how much memory. Times are of the processor, so that
a busy machine measures the same. Fails when one takes longer than it may.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from orchestrator.environment import load_environment
from orchestrator.evidence import export, verify_bundle, verify_store
from orchestrator.records import CheckResult, RunStatus, TaskResult, TaskStatus, Verdict
from orchestrator.store import Store

HOSTS = ("rbx7", "sysfab", "bastion")
TASKS, CHECKS = 350, 80  # of a host, in a night
LARGEST_LINK_MS, LARGEST_SECONDS, LARGEST_MB = 50.0, 30.0, 300
STARTED = datetime(2025, 1, 1, 2, tzinfo=UTC)


def results(host: str, count: int) -> list[TaskResult]:
    return [
        TaskResult(
            host, "hardening", f"Set kernel parameter {number}", "ansible.posix.sysctl",
            TaskStatus.OK, ("7.2.1", "6.2.1"), duration=0.0123 + number,
            path=f"roles/hardening/tasks/kernel.yml:{number}",
        )
        for number in range(count)
    ]  # fmt: skip


def checks(host: str, count: int) -> list[CheckResult]:
    return [
        CheckResult(
            host, f"test_hardening.py::test_{number}", f"setting {number} is in force",
            ("7.2.1",), Verdict.HOLDS, "", 0.05 + number,
        )
        for number in range(count)
    ]  # fmt: skip


def record(store: Store, night: int, tasks: int, proofs: int) -> float:
    """Record a run; returns how long its end took, in milliseconds."""
    now = STARTED + timedelta(days=night)
    run = store.begin(
        "verify", who="runner", control_node="admin1", pid=os.getpid(), commit="0" * 40,
        options={}, now=now,
    )  # fmt: skip
    for host in HOSTS:
        store.add_results(run, results(host, tasks))
        store.add_checks(run, checks(host, proofs))
    began = time.process_time()
    store.finish(run, RunStatus.OK, "", now + timedelta(minutes=9))
    return (time.process_time() - began) * 1000


def link_cost(directory: Path) -> float:
    with Store.open(directory / "link", "lab") as store:
        linked = [record(store, night, 1000, 0) for night in range(11)]
        with mock.patch("orchestrator.store.store.append_link"):
            bare = [record(store, night, 1000, 0) for night in range(11)]
    cost = statistics.median(linked) - statistics.median(bare)
    print(
        f"end of a run of 3 hosts, 1000 results each: {statistics.median(linked):.1f} ms, "
        f"without its link {statistics.median(bare):.1f} ms: the link costs {cost:.1f} ms"
    )
    return cost


def timed(what: str, began: float) -> float:
    seconds = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {seconds:.1f} s, {memory:.0f} MB at most so far")
    return seconds


def year(directory: Path, nights: int) -> float:
    """Export and verify a year; returns what the slowest of them took, in seconds."""
    environment = load_environment("lab")
    with Store.open(environment.store_directory, environment.name) as store:
        for night in range(nights):
            record(store, night, TASKS, CHECKS)
    key = directory / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    file = directory / "year.tar.gz"
    began = time.process_time()
    exported = export(environment, key, file, since_last=False)
    slowest = timed(f"export of {exported.manifest.links} runs, verified once", began)
    print(f"  the bundle has {file.stat().st_size / 1e6:.1f} MB")
    began = time.process_time()
    assert not verify_bundle(file, None, None, datetime.now(UTC)).findings
    slowest = max(slowest, timed("verify of the bundle", began))
    began = time.process_time()
    with Store.open(environment.store_directory, environment.name) as store:
        assert not verify_store(store, None, None, datetime.now(UTC)).findings
    return max(slowest, timed("verify of the store", began))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=365)
    chosen = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    os.environ["XDG_STATE_HOME"] = str(scratch / "state")
    try:
        cost, slowest = link_cost(scratch), year(scratch, chosen.nights)
    finally:
        shutil.rmtree(scratch)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if cost > LARGEST_LINK_MS or slowest > LARGEST_SECONDS or memory > LARGEST_MB:
        sys.exit("slower or larger than it may be")


if __name__ == "__main__":
    main()
