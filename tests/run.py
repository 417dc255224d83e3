"""Run the project's tests, part by part, and say at the end how long each part took.

`make test`, `make check` and `make test-full` call this.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from orchestrator.engine import Strategy, default_strategy, strategy_variables

ROOT = Path(__file__).parent.parent
# Where an output begins to say what failed, of pytest, Molecule and the rest.
DECISIVE = re.compile(r"^(FAILED|ERROR|E  |fatal:|failed:|error:|An exception occurred)")
MOLECULE = ROOT / ".config/molecule/config.yml"
PYTEST = (sys.executable, "-m", "pytest", "-q", "--durations=25", "--durations-min=20")


@dataclass(frozen=True)
class Part:
    """One command; those that may run side by side do, two at a time."""

    name: str
    command: tuple[str, ...]
    side_by_side: bool = False


@dataclass(frozen=True)
class Ended:
    part: Part
    code: int
    seconds: float
    reason: str = ""


def lint() -> list[Part]:
    return [
        Part("ruff check", ("ruff", "check", "--quiet", ".")),
        Part("ruff format", ("ruff", "format", "--quiet", "--check", ".")),
        Part("mypy", ("mypy",)),
        *(mypy_alone(name) for name in ("tests/faults", "tests/e2e/lab", "tests/scan")),
        Part("yamllint", ("yamllint", "--strict", ".")),
        Part("ansible-lint", ("ansible-lint", "--offline", "-q"), side_by_side=True),
    ]


def mypy_alone(directory: str) -> Part:
    """A directory whose tests import from their own: mypy must not take it for a package's part."""
    found = sorted(str(path) for path in (ROOT / directory).glob("*.py"))
    command = ("env", f"MYPYPATH={directory}", "mypy", "--explicit-package-bases", *found)
    return Part(f"mypy {directory}", command)


def unit() -> list[Part]:
    return [Part("unit", (*PYTEST, "tests/unit"), side_by_side=True)]


def scenarios(role: str | None = None, *, full: bool = False) -> list[Part]:
    """Every Molecule scenario, or the role's own; two at a time, for they mostly wait.

    Ansible's own strategy has its turn in the full run: it takes twice as long, and that both do
    the same is an end-to-end test.
    """
    found = sorted(path.parent for path in ROOT.glob("molecule/*/molecule.yml"))
    strategy = Strategy.LINEAR if full else default_strategy()
    settings = [f"{name}={value}" for name, value in strategy_variables(strategy).items()]
    parts = []
    for scenario in found:
        name = scenario.name
        if role is None or name in (role, role.partition("_")[0]):
            short = [] if role or full else shortened(scenario)
            command = ("env", *settings, *short, "molecule", "test", "-s", name)
            parts.append(Part(f"molecule {name}", command, side_by_side=True))
    return parts


def shortened(scenario: Path) -> list[str]:
    """The variables by which a scenario does less, for the whole has to fit into CI's time."""
    return [f"SCENARIO_SEQUENCE=[{', '.join(stages(scenario))}]", "PAS_INFRA_TAMPERING=sample"]


def stages(scenario: Path) -> list[str]:
    """What Molecule is to do of a scenario, less what the same run sees elsewhere.

    An end-to-end test sees the plan of untouched hosts and, on one, that a second apply changes
    nothing: of all roles at once. Tamperings begin with a plan of the converged hosts that must be
    empty, and with checks none of which may fail. A scenario that declares or verifies something
    of its own leaves nothing out.
    """
    own = (scenario / "molecule.yml").read_text("utf-8")
    apart = "SCENARIO_ENVIRONMENT" in own or (scenario / "verify.yml").exists()
    seen = set() if apart else {"check", "idempotence", "verify"}
    [sequence] = re.findall(r"SCENARIO_SEQUENCE:-\[([^]]*)\]", MOLECULE.read_text("utf-8"))
    return [stage for stage in re.split(r",\s+", sequence) if stage not in seen]


def end_to_end(*, full: bool) -> list[Part]:
    """What works on labs of its own, whatever the scenarios do with theirs."""
    directories = ["tests/e2e", "tests/faults"]
    marked = () if full else ("-m", "not full")
    return [
        Part(directory, (*PYTEST, *marked, directory), side_by_side=True)
        for directory in directories
        if (ROOT / directory).is_dir()
    ]


def run(part: Part) -> Ended:
    """Run one part; side by side its output comes in one piece, or nobody could read it."""
    started = time.monotonic()
    print(f"── {part.name}{' begins' if part.side_by_side else ''}", flush=True)
    if part.side_by_side:
        done = subprocess.run(
            part.command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        why = reason(done.stdout) if done.returncode else ""
        ended = Ended(part, done.returncode, time.monotonic() - started, why)
        # Of a scenario that passed nobody reads more than its end.
        shown = done.stdout if done.returncode else "\n".join(done.stdout.splitlines()[-12:])
        print(f"── {part.name} has ended, after {ended.seconds:.0f} s\n{shown}", flush=True)
        return ended
    code = subprocess.run(part.command, cwd=ROOT, check=False).returncode
    return Ended(part, code, time.monotonic() - started)


def reason(output: str) -> str:
    """The few lines of an output that say what failed: of a log only the end may be kept."""
    for escape in (r"\x1b\[[0-9;]*m", r"^ *│ ?"):
        output = re.sub(escape, "", output, flags=re.MULTILINE)
    lines = output.splitlines()
    found = [number for number, line in enumerate(lines) if DECISIVE.search(line)]
    if not found:
        return "\n".join(lines[-5:])
    begins = lines[found[0] : found[0] + 8]
    named = [lines[number] for number in found[1:] if lines[number].startswith("FAILED ")]
    return "\n".join(line[:300] for line in begins + named[:8])


def run_all(parts: list[Part], ended: list[Ended]) -> None:
    """Run them all; each is added to `ended` when it has ended."""
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        together = [part for part in parts if part.side_by_side]
        for part in parts:
            if not part.side_by_side:
                ended.append(run(part))
            elif part is together[0]:
                list(pool.map(lambda one: ended.append(run(one)), together))


def tell(parts: list[Part], ended: list[Ended], seconds: float) -> None:
    """Say how long each part took, and why those failed that did."""
    print("── how long each part took")
    for one in ended:
        print(f"{'failed' if one.code else 'passed':<8}{one.seconds:7.1f} s  {one.part.name}")
    done = {one.part.name for one in ended}
    for part in parts:
        if part.name not in done:
            print(f"{'not ended':<18}{part.name}")
    print(f"{'':<8}{seconds:7.1f} s  in all")
    failed = [one for one in ended if one.code]
    for one in failed:
        print(f"── {one.part.name} failed:\n{one.reason or 'see above'}")
    print(f"parts: {len(ended) - len(failed)} passed, {len(failed)} failed", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="lint and unit tests only")
    parser.add_argument("--full", action="store_true", help="what does not fit into CI's hour too")
    parser.add_argument("--role", help="only what this role touches")
    chosen = parser.parse_args()
    parts = lint() + unit()
    if chosen.role:
        parts += scenarios(chosen.role)
    elif not chosen.check:
        # The longest first, so that nothing long is left over when all else has ended.
        parts += end_to_end(full=chosen.full) + scenarios(full=chosen.full)
    started = time.monotonic()
    ended: list[Ended] = []

    def stopped(*_: object) -> None:
        tell(parts, ended, time.monotonic() - started)
        os._exit(128 + signal.SIGTERM)

    # Whoever stops it, because it took too long, is told what did.
    signal.signal(signal.SIGTERM, stopped)
    run_all(parts, ended)
    tell(parts, ended, time.monotonic() - started)
    return 1 if any(one.code for one in ended) else 0


if __name__ == "__main__":
    sys.exit(main())
