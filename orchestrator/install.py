"""Install: from a hoster's rescue system to an encrypted Debian that waits for its passphrase."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from orchestrator.engine import (
    OnProgress,
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    Strategy,
    connections,
    play,
)
from orchestrator.environment import Environment, Host
from orchestrator.exit_codes import ExitCode
from orchestrator.initramfs import settings
from orchestrator.lab import ensure_archive, system_recipe
from orchestrator.paths import project_root
from orchestrator.records import RunStatus
from orchestrator.runs import STATUS_OF_PLAY, recorded

PLAYBOOK = "playbooks/install.yml"
_SURVEY = "Say what will be destroyed"


@dataclass(frozen=True)
class Interaction:
    """What an install asks of and tells whoever called it.

    `confirm` is told what will be destroyed and returns the host's name as somebody typed it.
    """

    confirm: Callable[[str], str]
    stage: Callable[[str], None]
    tell: Callable[[str], None]
    progress: OnProgress


@dataclass(frozen=True)
class Installed:
    """What became of an install; `phases` are seconds by phase, in the order of the phases."""

    run_id: int
    outcome: PlayOutcome
    declined: bool = False

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds that each phase took, by the name of its file of tasks."""
        taken: dict[str, float] = {}
        for result in self.outcome.results:
            phase = PurePath(result.path.rpartition(":")[0]).stem
            taken[phase] = taken.get(phase, 0.0) + result.duration
        return taken

    @property
    def exit_code(self) -> ExitCode:
        """Interrupted when nobody confirmed, else as the play ended."""
        if self.declined:
            return ExitCode.INTERRUPTED
        return STATUS_OF_PLAY[self.outcome.status].exit_code


def install(
    environment: Environment,
    host: Host,
    strategy: Strategy,
    interaction: Interaction,
    *,
    rescue_user: str = "",
    wipe: bool = False,
) -> Installed:
    """Destroy what the host's declared disks hold and install an encrypted Debian; recorded.

    The host runs its rescue system; `rescue_user` logs in there, by default the user of the
    inventory. Raises Locked when another run holds the environment, and PasInfraError when the
    archive of the system cannot be made.
    """
    with recorded(environment, "install", {"hosts": [host.name], "wipe": wipe}) as run:
        # The rescue system is somebody else than the system that it installs: another user logs in,
        # and another host key answers, each time it is started.
        rescue: dict[str, object] = {
            "ansible_ssh_extra_args": f"-o HostKeyAlias={host.name}.rescue",
        }
        if rescue_user:
            operator = connections(environment, [host.name])[0].user
            rescue |= {"ansible_user": rescue_user, "installation_operator": operator}

        def request(tags: tuple[str, ...] = (), **extra: object) -> PlayRequest:
            return PlayRequest(
                environment=environment,
                playbook=project_root() / PLAYBOOK,
                hosts=(host.name,),
                check=False,
                strategy=strategy,
                tags=tags,
                extra_variables={"installation_wipe": wipe, **rescue, **extra},
            )

        interaction.stage("survey")
        survey = play(request(("survey",)), on_progress=interaction.progress)
        if survey.status is not PlayStatus.OK:
            run.keep_outcome(survey)
            return Installed(run.id, survey)
        destroyed = "\n".join(r.message for r in survey.results if r.task == _SURVEY)
        typed = interaction.confirm(destroyed)
        if typed != host.name:
            run.end_with(RunStatus.INTERRUPTED, "nobody confirmed that the disks may be destroyed")
            return Installed(run.id, survey, declined=True)
        interaction.stage("archive")
        kernel = settings(environment, host.name, "installation_kernel")["installation_kernel"]
        archive = ensure_archive(system_recipe(kernel), progress=interaction.tell)
        interaction.stage("install")
        outcome = play(
            request(installation_confirmed=typed, installation_archive=str(archive)),
            on_progress=run.keep_and_tell(interaction.progress),
        )
        run.keep_outcome(outcome)
        return Installed(run.id, outcome)
