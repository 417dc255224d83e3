"""A run, recorded: begun before anything happens, finished whatever happens."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.engine import OnProgress, PlayOutcome, PlayStatus, TaskStarted
from orchestrator.environment import Environment
from orchestrator.errors import Incomplete, Interrupted
from orchestrator.operator import commit_of, control_node_name, current_operator
from orchestrator.paths import project_root
from orchestrator.records import CheckResult, Run, RunStatus, TaskResult
from orchestrator.store import EnvironmentLock, Store

# Commands that change hosts, so that two of one environment never run at once.
LOCKED_COMMANDS = (
    "apply",
    "install",
    "keys rotate",
    "keys bind",
    "keys escrow",
    "keys copy",
    "keys destroyed",
    "client add",
    "client rotate",
    "client offboard",
    "backup prune",
    "drift baseline",
    "drift quick",
    "drift",  # of its canary, which two at once would take from each other
)

_LOOKED_THROUGH = 100  # runs, newest first

STATUS_OF_PLAY = {
    PlayStatus.OK: RunStatus.OK,
    PlayStatus.FAILED: RunStatus.FAILED,
    PlayStatus.INCOMPLETE: RunStatus.INCOMPLETE,
    PlayStatus.INTERRUPTED: RunStatus.INTERRUPTED,
}


def utc_now() -> datetime:
    """The time, where a service is not given one."""
    return datetime.now(UTC)


def last_complete(
    store: Store,
    command: str,
    hosts: Collection[str],
    *,
    counts: Callable[[Run], bool] = lambda _: True,
) -> Run | None:
    """The last run of a command that saw all of these hosts, whatever it found there.

    A run for which `counts` is false is passed over; so is whatever ran before the last hundred.
    """
    for run in store.runs(_LOOKED_THROUGH, command):
        asked = run.options.get("hosts")
        whole = isinstance(asked, list) and set(hosts) <= set(asked)
        if whole and counts(run) and run.status in (RunStatus.OK, RunStatus.FINDINGS):
            return run
    return None


@dataclass
class Recorder:
    """The open record of a run: what is kept is saved at once, so a killed run keeps it too."""

    id: int
    store: Store
    status: RunStatus = RunStatus.OK
    message: str = ""

    def keep(self, progress: TaskStarted | TaskResult) -> None:
        """Save a result as it comes."""
        if isinstance(progress, TaskResult):
            self.store.add_results(self.id, [progress])

    def keep_and_tell(self, tell: OnProgress) -> OnProgress:
        """What saves each result as it comes, and passes it on."""

        def keep(progress: TaskStarted | TaskResult) -> None:
            self.keep(progress)
            tell(progress)

        return keep

    def keep_outcome(self, outcome: PlayOutcome) -> None:
        """Save the statistics and how the play ended."""
        # What was saved as it came could not know yet which failures a block would repair.
        self.store.set_results(self.id, outcome.results)
        self.store.set_recap(self.id, outcome.recap)
        self.end_with(STATUS_OF_PLAY[outcome.status], "; ".join(outcome.gaps) or outcome.message)

    def keep_inputs(self, inputs: Mapping[str, str]) -> None:
        """Save what shapes the run, before it changes anything."""
        self.store.drift.set_inputs(self.id, inputs)

    def keep_checks(self, checks: Iterable[CheckResult]) -> None:
        """Save what the checks said."""
        self.store.add_checks(self.id, checks)

    def end_with(self, status: RunStatus, message: str = "") -> None:
        """Say how the run is to be recorded when it ends."""
        self.status, self.message = status, message


@contextmanager
def recorded(
    environment: Environment, command: str, options: Mapping[str, object]
) -> Iterator[Recorder]:
    """Record a run of `command`, under the environment's lock if it changes hosts.

    Raises Locked, before anything is recorded, when another run holds the environment.
    """
    who = current_operator()
    with ExitStack() as stack:
        locked = command in LOCKED_COMMANDS
        if locked:
            stack.enter_context(
                EnvironmentLock.acquire(
                    environment.store_directory, command, who=who, now=utc_now()
                )
            )
        store = stack.enter_context(Store.open(environment.store_directory, environment.name))
        store.mark_broken(utc_now(), locked_commands=LOCKED_COMMANDS if locked else ())
        run_id = store.begin(
            command,
            who=who,
            control_node=control_node_name(),
            pid=os.getpid(),
            commit=commit_of(project_root()),
            options=options,
            now=utc_now(),
        )
        recorder = Recorder(run_id, store)
        try:
            yield recorder
        except BaseException as error:
            recorder.end_with(_status_of(error), str(error))
            raise
        finally:
            store.finish(run_id, recorder.status, recorder.message, utc_now())


def _status_of(error: BaseException) -> RunStatus:
    if isinstance(error, KeyboardInterrupt | Interrupted):
        return RunStatus.INTERRUPTED
    return RunStatus.INCOMPLETE if isinstance(error, Incomplete) else RunStatus.FAILED
