"""What the engine is asked for, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from orchestrator.environment import Environment
from orchestrator.records import HostRecap, TaskResult, TaskStatus


class Strategy(StrEnum):
    """How Ansible reaches its hosts: Mitogen is the faster way, linear the stock one."""

    MITOGEN = "mitogen"
    LINEAR = "linear"


@dataclass(frozen=True)
class PlayRequest:
    """One playbook on some hosts of an environment.

    `tags` and `skip_tags` select tasks as Ansible does. `extra_variables` appear in the process
    list: never a secret.
    """

    environment: Environment
    playbook: Path
    hosts: tuple[str, ...]
    check: bool
    strategy: Strategy
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    extra_variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskStarted:
    """Ansible has begun a task; `hosts` run it together."""

    role: str
    task: str


class PlayStatus(StrEnum):
    """How a play ended; `incomplete` means that something is missing, whatever else was seen."""

    OK = "ok"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class PlayOutcome:
    """Everything that a play did, free of secrets; `gaps` names what is missing or in doubt."""

    status: PlayStatus
    results: tuple[TaskResult, ...]
    recap: Mapping[str, HostRecap]
    gaps: tuple[str, ...]
    duration: float
    message: str = ""

    @property
    def changed(self) -> tuple[TaskResult, ...]:
        """What changed (or would, in check mode), handlers apart: they follow a change."""
        return tuple(r for r in self.results if r.status is TaskStatus.CHANGED and not r.handler)

    @property
    def failed(self) -> tuple[TaskResult, ...]:
        """What failed and was neither ignored nor rescued, and which hosts were not reached."""
        bad = (TaskStatus.FAILED, TaskStatus.UNREACHABLE)
        return tuple(r for r in self.results if r.status in bad)
