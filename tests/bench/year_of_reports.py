"""The report of a year: `python tests/bench/year_of_reports.py`.

Makes a synthetic store (365 nightly runs, 3 hosts, 400 checks on each, spread over the 73 measures)
and says how long and with how much memory the report of each edition is made of it.
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.store import Store

NIGHTS, CHECKS = 365, 400
LARGEST_SECONDS, LARGEST_MB = 10.0, 300
EDITIONS = ("client", "internal")


def make(scratch: Path) -> None:
    """The checks as a project has them, and what the nights have left of them in the store."""
    from orchestrator.catalogue import load_catalogue
    from orchestrator.environment import load_environment
    from orchestrator.paths import project_root
    from orchestrator.store import Store

    rng = random.Random(7)  # noqa: S311 - the same one each time
    numbers = [measure.number for measure in load_catalogue()]
    marks = [tuple(rng.sample(numbers, rng.choice((1, 1, 1, 2)))) for _ in range(CHECKS)]
    (scratch / "tests/hosts").mkdir(parents=True)
    (scratch / "tests/registers").mkdir()
    (scratch / "roles").symlink_to(project_root() / "roles")
    (scratch / "tests/hosts/test_synthetic.py").write_text(
        "import pytest\n"
        + "".join(
            f"\n@pytest.mark.pas({', '.join(map(repr, marks[number]))})\n"
            f'def test_{number}(host):\n    """The setting {number} is as it is declared."""\n'
            for number in range(CHECKS)
        )
    )
    hosts = [host.name for host in load_environment("lab").hosts]
    checks = [
        (f"test_synthetic.py::test_{number}", f"The setting {number} is as it is declared.", marked)
        for number, marked in enumerate(marks)
    ]
    with Store.open(scratch / "store", "lab") as store:
        record_nights(store, hosts, dict.fromkeys(hosts, checks), rng)


def record_nights(
    store: "Store",
    hosts: Sequence[str],
    checks: Mapping[str, Sequence[tuple[str, str, tuple[str, ...]]]],
    rng: random.Random,
) -> None:
    """A run of each night of a year over the hosts; `checks` are by host: name, title, measures."""
    from orchestrator.records import CheckResult, RunStatus, Verdict

    begin = datetime.now(UTC) - timedelta(days=NIGHTS)
    for night in range(NIGHTS):
        now = begin + timedelta(days=night + 0.9)
        run = store.begin(
            "verify", who="nightly", control_node="admin", pid=1, commit="0" * 40,
            options={"hosts": list(hosts), "roles": [], "measures": []}, now=now,
        )  # fmt: skip
        results = []
        for host, asked in checks.items():
            for name, title, marked in asked:
                verdict = rng.choices(tuple(Verdict), (990, 2, 6, 0))[0]
                said = "" if verdict is Verdict.HOLDS else f"found {rng.random()} on {host}"
                results.append(CheckResult(host, name, title, marked, verdict, said, rng.random()))
        store.add_checks(run, results)
        store.finish(run, RunStatus.FINDINGS, "", now + timedelta(minutes=4))


def report(scratch: Path, edition: str) -> None:
    """In a process of its own, as `pas-infra report` is one: the time counts from its start."""
    started = time.monotonic()
    from orchestrator.environment import load_environment
    from orchestrator.report import Edition, standing, write

    write.project_root = standing.project_root = lambda: scratch  # type: ignore[attr-defined]
    environment = replace(load_environment("lab"), store_directory=scratch / "store")
    written = write.write_report(
        environment,
        scratch / "out",
        edition=Edition(edition),
        language="fr",
        prefix=None,
        max_age=timedelta(days=7),
        now=datetime.now(UTC),
    )
    took, used = time.monotonic() - started, time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sizes = " and ".join(
        f"{file.stat().st_size / 1e3:.0f} kB" for file in (written.html, written.pdf)
    )
    print(f"{edition}: {took:.1f} s ({used:.1f} s of processor time), peak {peak:.0f} MB, {sizes}")
    if used > LARGEST_SECONDS or peak > LARGEST_MB:
        sys.exit(f"more than {LARGEST_SECONDS:.0f} s or {LARGEST_MB} MB")


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        make(scratch)
        store = scratch / "store" / "pas-infra.sqlite"
        print(f"{NIGHTS} runs, {NIGHTS * 3 * CHECKS} results, {store.stat().st_size / 1e6:.0f} MB")
        codes = [
            subprocess.run([sys.executable, __file__, name, edition], check=False).returncode
            for edition in EDITIONS
        ]
    return max(codes)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        report(Path(sys.argv[1]), sys.argv[2])
    else:
        sys.exit(main())
