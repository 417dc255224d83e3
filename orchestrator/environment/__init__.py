"""An environment: `inventories/<name>/`, validated as a whole before anything is touched."""

from orchestrator.environment.data_set import DataSet
from orchestrator.environment.find import Summary, environment_names, find_environment, summaries
from orchestrator.environment.flow_matrix import Flow, FlowMatrix, Ports, lets_in
from orchestrator.environment.load import load_environment
from orchestrator.environment.model import (
    Client,
    ControlNode,
    Disk,
    Environment,
    Host,
    Lab,
    Machine,
    MachineAccount,
    Network,
    People,
    Person,
    Place,
    Right,
    Vault,
    Vaulted,
    Waiver,
)
from orchestrator.environment.nightly import Nightly
from orchestrator.environment.people import accounts_on
from orchestrator.environment.roles_spec import role_defaults
from orchestrator.environment.secrets import clear_secrets
from orchestrator.environment.ssh_keys import PublicKey, public_key
from orchestrator.environment.tracker_address import VulnerabilityData

__all__ = [
    "Client",
    "ControlNode",
    "DataSet",
    "Disk",
    "Environment",
    "Flow",
    "FlowMatrix",
    "Host",
    "Lab",
    "Machine",
    "MachineAccount",
    "Network",
    "Nightly",
    "People",
    "Person",
    "Place",
    "Ports",
    "PublicKey",
    "Right",
    "Summary",
    "Vault",
    "Vaulted",
    "VulnerabilityData",
    "Waiver",
    "accounts_on",
    "clear_secrets",
    "environment_names",
    "find_environment",
    "lets_in",
    "load_environment",
    "public_key",
    "role_defaults",
    "summaries",
]
