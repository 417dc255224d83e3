"""Verify: run the checks against the live hosts, and say of each measure whether it is kept."""

import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from orchestrator.backup.repositories import declared_repositories
from orchestrator.catalogue import check_measures, measure_key, measure_state
from orchestrator.engine import Connection, connections, variables
from orchestrator.environment import Environment, Vaulted, Waiver, accounts_on
from orchestrator.exit_codes import ExitCode
from orchestrator.paths import project_root
from orchestrator.records import BROKE_DOWN, CheckResult, MeasureState, RunStatus, Verdict
from orchestrator.runs import recorded
from orchestrator.selection import Selection

CHECKS = "tests/hosts"
REGISTER_CHECKS = "tests/registers"
# Variables without a secret in them, of which a check has to know what they come to.
_PUBLIC = ("initramfs_unlock_keys",)
_PATIENCE = 1800.0  # seconds for all checks of one host; an emulated one takes 15 minutes
_RAN = (0, 1, 5)  # pytest: passed, some failed, none selected


@dataclass(frozen=True)
class Verification:
    """What the checks said; `missing` names the hosts of which nothing can be said, and why."""

    checks: tuple[CheckResult, ...]
    missing: Mapping[str, str]
    # In production nothing may stay unmeasured; a lab of containers has no kernel to measure.
    strict: bool

    @property
    def measures(self) -> dict[str, MeasureState]:
        """Every measure that a check proves, over all hosts, in the contract's order."""
        verdicts: dict[str, list[Verdict]] = {}
        for check in self.checks:
            for measure in check.measures:
                verdicts.setdefault(measure, []).append(check.verdict)
        return {
            number: measure_state(number, verdicts[number])
            for number in sorted(verdicts, key=measure_key)
        }

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that do not hold and are not waived."""
        return tuple(check for check in self.checks if check.verdict is Verdict.FAILS)

    @property
    def in_doubt(self) -> tuple[CheckResult, ...]:
        """The checks whose silence is itself a fault: they broke down, or should have measured."""
        silent = (check for check in self.checks if check.verdict is Verdict.UNMEASURED)
        return tuple(c for c in silent if self.strict or c.message.startswith(BROKE_DOWN))

    @property
    def run_status(self) -> RunStatus:
        """How the run is recorded."""
        if self.missing or not self.checks or self.in_doubt:
            return RunStatus.INCOMPLETE
        return RunStatus.FINDINGS if self.failed else RunStatus.OK

    @property
    def exit_code(self) -> ExitCode:
        """Incomplete outweighs findings: what was not seen may be worse."""
        return self.run_status.exit_code

    @property
    def summary(self) -> str:
        """One line: how many checks said what, and who was not reached."""
        counts = dict.fromkeys(Verdict, 0)
        for check in self.checks:
            counts[check.verdict] += 1
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        unseen = [f"{host}: {why.splitlines()[0]}" for host, why in self.missing.items()]
        return "; ".join([said or "no check ran", *unseen])


def verify(
    environment: Environment,
    selection: Selection,
    *,
    today: date | None = None,
    more: Sequence[Path] = (),
) -> Verification:
    """Run the selected checks, and those of the files in `more`, on every selected host.

    The hosts are asked side by side.
    Those of the environment's registers run as well, and alone when only they prove what is asked.
    """
    registers = _proves(REGISTER_CHECKS, selection) and not selection.roles
    hosts_too = not registers or _proves(CHECKS, selection)
    reached = connections(environment, selection.hosts) if hosts_too else []
    with (
        tempfile.TemporaryDirectory(prefix="pas-infra-verify-") as scratch,
        ThreadPoolExecutor(max_workers=max(len(reached), 1)) as pool,
    ):
        computed = _computed(environment, [c.host for c in reached])
        for connection in reached:
            declared = declaration(environment, connection.host)
            declared["variables"] |= computed.get(connection.host, {})
            _declared_file(connection, Path(scratch)).write_text(json.dumps(declared))
        files = [*check_files(selection), *more]
        outcomes = list(
            pool.map(lambda c: _check_host(c, selection, Path(scratch), files), reached)
        )
        names = [connection.host for connection in reached]
        if registers:
            outcomes.append(_check_registers(environment, selection, Path(scratch)))
            names.append(environment.name)
    waivers, day = environment.waivers, today or date.today()
    found = [waive(check, waivers, day) for checks, _ in outcomes for check in checks]
    missing = {name: why for name, (_, why) in zip(names, outcomes, strict=True) if why}
    return Verification(tuple(found), missing, strict=environment.kind == "production")


def verify_and_record(environment: Environment, selection: Selection) -> Verification:
    """Verify as a run of its own."""
    options = {
        "hosts": selection.hosts,
        "roles": selection.roles,
        "measures": selection.measures,
    }
    with recorded(environment, "verify", options) as run:
        verification = verify(environment, selection)
        run.keep_checks(verification.checks)
        run.end_with(verification.run_status, verification.summary)
    return verification


def waive(check: CheckResult, waivers: Sequence[Waiver], today: date) -> CheckResult:
    """Turn a failure into a waived one where a waiver names it; an expired one leaves it failing.

    A waiver's rule is a check, `test_time.py::test_sources_are_authenticated`.
    """
    if check.verdict is not Verdict.FAILS:
        return check
    for waiver in waivers:
        if not applies(waiver, check):
            continue
        if waiver.until >= today:
            reason = f"waived until {waiver.until} by {waiver.approver}: {waiver.reason}"
            return replace(check, verdict=Verdict.WAIVED, message=reason)
        check = replace(
            check, message=f"the waiver expired on {waiver.until}; {check.message}".strip("; ")
        )
    return check


def applies(waiver: Waiver, check: CheckResult) -> bool:
    """Whether a waiver, in force or not, is one of this check on this host."""
    return waiver.rule == check.check and (not waiver.hosts or check.host in waiver.hosts)


def declaration(environment: Environment, host: str) -> dict[str, Any]:
    """What the environment declares for a host, as far as no secret: its checks compare with it."""
    set_for_it, matrix = environment.host(host).variables, environment.flows
    hosts = {each.name: {"addresses": list(each.addresses)} for each in environment.hosts}
    waivers = [w for w in environment.waivers if w.hosts is None or host in w.hosts]
    return {
        "host": host,
        "variables": {
            name: value for name, value in set_for_it.items() if not isinstance(value, Vaulted)
        },
        "waivers": [{"rule": w.rule, "until": w.until.isoformat()} for w in waivers],
        "accounts": accounts_on(environment.people, host) if environment.people else None,
        "clients": [one.as_data() for one in environment.clients if one.host == host],
        "flows": {**matrix.as_data(), "hosts": hosts} if matrix else None,
        "repositories": [asdict(one) for one in declared_repositories(environment)],
    }


def _computed(environment: Environment, hosts: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """What checks compare with and Ansible has to compute, by host; asked for only if it has to."""
    asked = [
        host
        for host in hosts
        if any("{{" in str(environment.host(host).variables.get(name)) for name in _PUBLIC)
    ]
    return variables(environment, asked, _PUBLIC) if asked else {}


def _declared_file(connection: Connection, scratch: Path) -> Path:
    return scratch / f"{connection.host}.declared.json"


def _check_host(
    connection: Connection, selection: Selection, scratch: Path, files: Sequence[Path]
) -> tuple[list[CheckResult], str]:
    """Run pytest for one host; returns its results, and why there may be none."""
    if not files:
        return [], ""
    if not connection.answers():
        return [], "no answer over SSH"
    results = scratch / f"{connection.host}.jsonl"
    declared = _declared_file(connection, scratch)
    return _run(pytest_command(connection, selection, results, declared, files), results)


def _check_registers(
    environment: Environment, selection: Selection, scratch: Path
) -> tuple[list[CheckResult], str]:
    """Run pytest on the environment's registers; they stand under the environment's own name."""
    # No host's name begins with a dot.
    results = scratch / ".registers.jsonl"
    command = [
        *_pytest(environment.name, selection, results),
        f"--pas-environment={environment.directory}",
        str(project_root() / REGISTER_CHECKS),
    ]
    return _run(command, results)


def _proves(checks: str, selection: Selection) -> bool:
    """Whether a check in the directory proves one of the measures asked for, if any are."""
    if not selection.measures:
        return True
    return not check_measures(project_root() / checks).keys().isdisjoint(selection.measures)


def _run(command: Sequence[str], results: Path) -> tuple[list[CheckResult], str]:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=project_root(),
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return [], f"its checks did not end within {_PATIENCE:.0f} s"
    if done.returncode not in _RAN:
        said = (done.stdout + done.stderr).strip()[-2000:]
        return [], f"its checks could not be run ({shlex.join(command)}):\n{said}"
    lines = results.read_text().splitlines() if results.exists() else []
    return [_result(json.loads(line)) for line in lines], "" if lines else "no check ran"


def pytest_command(
    connection: Connection,
    selection: Selection,
    results: Path,
    declared: Path,
    files: Sequence[Path],
) -> list[str]:
    """The command that runs the checks of these files on one host."""
    return [
        *_pytest(connection.host, selection, results),
        f"--pas-host-spec={connection.testinfra}",
        f"--pas-ssh={connection.ssh_arguments}",
        f"--pas-declared={declared}",
        *map(str, files),
    ]


def _pytest(name: str, selection: Selection, results: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "orchestrator.check_plugin",
        "-p",
        "no:cacheprovider",
        f"--pas-host={name}",
        f"--pas-results={results}",
        *(f"--pas-measure={number}" for number in selection.measures),
    ]


def check_files(selection: Selection) -> list[Path]:
    """The files of checks to run: those of a role are `test_<role>.py` and `test_<role>_*.py`."""
    checks = project_root() / CHECKS
    # Files also where all are meant: pytest leaves out what lies in a directory that it was given.
    names = [f"test_{role}{rest}.py" for role in selection.roles for rest in ("", "_*")]
    names = names or ["test_*.py"]
    return [file for name in names for file in sorted(checks.glob(name))]


def _result(content: dict[str, Any]) -> CheckResult:
    measures, verdict = tuple(content.pop("measures")), Verdict(content.pop("verdict"))
    return CheckResult(**content, measures=measures, verdict=verdict)
