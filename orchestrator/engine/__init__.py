"""The Ansible engine: playbooks in, typed and reconciled results out."""

from orchestrator.engine.asking import Question, ask, printable
from orchestrator.engine.connections import Connection, connections, secret, secrets, variables
from orchestrator.engine.host_program import HostProgram
from orchestrator.engine.request import (
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    Strategy,
    TaskStarted,
)
from orchestrator.engine.run import OnProgress, play
from orchestrator.engine.strategies import default_strategy, mitogen_plugins, strategy_variables

__all__ = [
    "Connection",
    "HostProgram",
    "OnProgress",
    "PlayOutcome",
    "PlayRequest",
    "PlayStatus",
    "Question",
    "Strategy",
    "TaskStarted",
    "ask",
    "connections",
    "default_strategy",
    "mitogen_plugins",
    "play",
    "printable",
    "secret",
    "secrets",
    "strategy_variables",
    "variables",
]
