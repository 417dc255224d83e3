"""The plan: what an apply would change, and a saved plan that can prove it is still true."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from orchestrator.engine import (
    OnProgress,
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    Strategy,
    play,
)
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.operator import commit_of
from orchestrator.paths import project_root
from orchestrator.records import RunStatus, TaskResult
from orchestrator.runs import recorded, utc_now
from orchestrator.selection import Selection

FORMAT = 1  # of a saved plan
SITE = "playbooks/site.yml"
_VERSIONED = ("pas-infra", "ansible-core", "ansible", "ansible-runner", "mitogen")


@dataclass(frozen=True)
class Change:
    """One task that would change one host; `diff` is unified, or "" where the module has none."""

    host: str
    role: str
    task: str
    measures: tuple[str, ...]
    diff: str


@dataclass(frozen=True)
class Plan:
    """What would change, and the hashes of everything that this statement depends on."""

    environment: str
    directory: str
    made: str
    commit: str
    selection: Selection
    strategy: Strategy
    inputs: Mapping[str, str]
    changes: tuple[Change, ...]


def make_plan(
    environment: Environment,
    selection: Selection,
    strategy: Strategy,
    *,
    on_progress: OnProgress,
    now: datetime,
) -> tuple[Plan, PlayOutcome]:
    """Ask the hosts, in check mode, what an apply would change."""
    outcome = play(
        site_request(environment, selection, strategy, check=True), on_progress=on_progress
    )
    plan = Plan(
        environment=environment.name,
        directory=str(environment.directory),
        made=now.isoformat(timespec="seconds"),
        commit=commit_of(project_root()),
        selection=selection,
        strategy=strategy,
        inputs=plan_inputs(environment),
        changes=tuple(change_of(result) for result in outcome.changed),
    )
    return plan, outcome


def plan_and_record(
    environment: Environment, selection: Selection, strategy: Strategy, *, on_progress: OnProgress
) -> tuple[Plan, PlayOutcome]:
    """Make the plan as a run of its own."""
    options = {
        "hosts": selection.hosts,
        "roles": selection.roles,
        "measures": selection.measures,
        "strategy": strategy,
    }
    with recorded(environment, "plan", options) as run:
        plan, outcome = make_plan(
            environment, selection, strategy, on_progress=on_progress, now=utc_now()
        )
        run.keep_outcome(outcome)
        if outcome.status is PlayStatus.OK and plan.changes:
            run.end_with(RunStatus.FINDINGS, f"{len(plan.changes)} to change")
    return plan, outcome


def site_request(
    environment: Environment,
    selection: Selection,
    strategy: Strategy,
    *,
    check: bool,
    extra_variables: Mapping[str, object] | None = None,
) -> PlayRequest:
    """The request that plan and apply share, so that they do the same but for check mode."""
    return PlayRequest(
        environment=environment,
        playbook=project_root() / SITE,
        hosts=selection.hosts,
        check=check,
        strategy=strategy,
        tags=selection.tags,
        skip_tags=selection.skip_tags,
        extra_variables=extra_variables or {},
    )


def change_of(result: TaskResult) -> Change:
    """The change that a result stands for."""
    return Change(result.host, result.role, result.task, result.measures, result.diff)


def plan_inputs(environment: Environment) -> dict[str, str]:
    """The SHA-256 of every file that shapes a run, and the version of every program."""
    root = project_root()
    files = [*environment.files, root / "ansible.cfg"]
    for directory in ("roles", "playbooks"):
        files += (root / directory).rglob("*")
    inputs = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
        if path.is_file() and "__pycache__" not in path.parts
    }
    if environment.lab is not None:
        # Two labs have the same addresses: a plan of one says nothing of the other.
        inputs["PAS_INFRA_LAB_DIR"] = os.environ.get("PAS_INFRA_LAB_DIR", "")
    return inputs | {f"version of {name}": metadata.version(name) for name in _VERSIONED}


def inputs_of(environment: Environment) -> dict[str, str]:
    """The same as one digest each: of every role, of the playbooks, of the environment's files.

    A role's is `role ssh`, a file goes by its path in the environment; the same content is the same
    wherever it lies. Of the waivers, only those that roles heed count: `waived recommendations`.
    """
    groups: dict[str, list[str]] = {}
    for name, digest in plan_inputs(environment).items():
        group, within = _placed(Path(name), environment.directory)
        groups.setdefault(group, []).append(f"{within} {digest}")
    waived = sorted(f"{w.rule} {w.until}" for w in environment.waivers if "ANSSI" in w.rule)
    groups["waived recommendations"] = waived
    return {
        name: hashlib.sha256("\n".join(lines).encode()).hexdigest()
        for name, lines in groups.items()
        if name != "waivers.yml"
    }


def _placed(path: Path, directory: Path) -> tuple[str, str]:
    """What an input belongs to, and its name in there."""
    root = project_root()
    if path.is_relative_to(directory):
        return str(path.relative_to(directory)), ""
    if path.is_relative_to(root / "roles"):
        role, *within = path.relative_to(root / "roles").parts
        return f"role {role}", "/".join(within)
    if path.is_relative_to(root / "playbooks"):
        return "playbooks", str(path.relative_to(root / "playbooks"))
    return "programs", path.name


def stale_because(plan: Plan, environment: Environment) -> list[str]:
    """Why a saved plan no longer holds, one sentence a reason; empty when it still does."""
    now = plan_inputs(environment)
    return [
        f"{name} " + ("is new" if name not in plan.inputs else
                      "is gone" if name not in now else "has changed")
        for name in sorted({*now, *plan.inputs})
        if now.get(name) != plan.inputs.get(name)
    ]  # fmt: skip


def beyond(plan: Plan, fresh: Plan) -> list[str]:
    """What the hosts would change now that the saved plan did not show."""
    approved = set(plan.changes)
    return [
        f"{change.host}: {change.role} : {change.task}"
        for change in fresh.changes
        if change not in approved
    ]


def save_plan(plan: Plan, path: Path) -> None:
    """Write the plan for `apply`; only this account may read it, since it shows configuration."""
    path.touch(0o600)
    path.chmod(0o600)
    path.write_text(json.dumps({"format": FORMAT, **asdict(plan)}, indent=2, ensure_ascii=False))


def read_plan(path: Path) -> Plan:
    """Read a saved plan; raises PasInfraError when the file is none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        if content.pop("format") != FORMAT:
            raise PasInfraError(
                "another version of pas-infra wrote this plan",
                where=path,
                next_step="make a new one: pas-infra plan -o FILE",
            )
        selection = {key: tuple(value) for key, value in content.pop("selection").items()}
        changes = tuple(
            Change(**{**change, "measures": tuple(change["measures"])})
            for change in content.pop("changes")
        )
        content |= {
            "strategy": Strategy(content["strategy"]),
            "inputs": dict(content["inputs"]),
        }
        return Plan(
            **content,
            selection=Selection(**selection),
            changes=changes,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PasInfraError(
            f"this is no plan that can be read: {error}",
            where=path,
            next_step="make a new one: pas-infra plan -o FILE",
        ) from error
