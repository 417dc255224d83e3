"""An environment: `inventories/<name>/`, validated as a whole before anything is touched."""

from orchestrator.environment.find import environment_names, find_environment
from orchestrator.environment.load import load_environment, summaries
from orchestrator.environment.model import (
    ControlNode,
    Environment,
    Host,
    Lab,
    Machine,
    Network,
    Place,
    Summary,
    Vault,
    Vaulted,
    Waiver,
)
from orchestrator.environment.secrets import clear_secrets

__all__ = [
    "ControlNode",
    "Environment",
    "Host",
    "Lab",
    "Machine",
    "Network",
    "Place",
    "Summary",
    "Vault",
    "Vaulted",
    "Waiver",
    "clear_secrets",
    "environment_names",
    "find_environment",
    "load_environment",
    "summaries",
]
