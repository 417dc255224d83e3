"""One host whose keys are changed, recorded as one run: shared by `keys rotate` and `keys bind`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.engine import Connection, OnProgress, PlayOutcome, Strategy, connections
from orchestrator.environment import Environment, Host
from orchestrator.keys import escrow
from orchestrator.keys.devices import Device
from orchestrator.records import TaskResult, TaskStatus
from orchestrator.runs import Recorder, recorded

_MEASURES = ("6.4.1", "6.4.2")


@dataclass(frozen=True)
class Watching:
    """Who is told what a change comes to: a stage, what was done, and what Ansible reports."""

    stage: Callable[[str], None]
    tell: Callable[[str], None]
    progress: OnProgress


@dataclass(frozen=True)
class Work:
    """One host whose keys are changed, device by device, each into escrow before the next."""

    environment: Environment
    host: Host
    strategy: Strategy
    watching: Watching
    run: Recorder
    connection: Connection

    def keep(self, device: Device, sentence: str, *, changed: bool) -> None:
        """Record what was done to a device, and tell it."""
        self.run.keep(
            TaskResult(
                host=device.host,
                role="",
                task=sentence,
                action="cryptsetup",
                status=TaskStatus.CHANGED if changed else TaskStatus.OK,
                measures=_MEASURES,
            )
        )
        self.watching.tell(sentence)

    def to_escrow(self, sums: Mapping[str, str]) -> PlayOutcome:
        """Put the headers with these sums, by UUID, in the place of what is in escrow."""
        self.watching.stage("escrow")
        return escrow.replace(
            self.environment, self.host, self.strategy, sums, self.run, self.watching.progress
        )

    def ended(self, outcome: PlayOutcome) -> escrow.Escrowed:
        """What became of it all."""
        return escrow.Escrowed(self.run.id, outcome)


@contextmanager
def working(
    command: str,
    what: str,
    environment: Environment,
    host: Host,
    strategy: Strategy,
    watching: Watching,
) -> Iterator[Work]:
    """A run of the command; `what` of the keys it changes."""
    options = {"hosts": [host.name], "what": what}
    with recorded(environment, command, options) as run:
        connection = connections(environment, [host.name])[0]
        yield Work(environment, host, strategy, watching, run, connection)
