"""The Ansible engine: playbooks in, typed and reconciled results out."""

from orchestrator.engine.connections import Connection, connections, variables
from orchestrator.engine.request import (
    PlayOutcome,
    PlayRequest,
    PlayStatus,
    Strategy,
    TaskStarted,
)
from orchestrator.engine.run import OnProgress, default_strategy, mitogen_plugins, play

__all__ = [
    "Connection",
    "OnProgress",
    "PlayOutcome",
    "PlayRequest",
    "PlayStatus",
    "Strategy",
    "TaskStarted",
    "connections",
    "default_strategy",
    "mitogen_plugins",
    "play",
    "variables",
]
