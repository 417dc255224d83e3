"""The lab: real Debian 13 hosts on this machine. The only place that knows nspawn and QEMU."""

from orchestrator.lab.commands import missing_tools, privilege_problem
from orchestrator.lab.layout import LabLayout, lab_layout
from orchestrator.lab.lifecycle import (
    MachineStatus,
    bring_up,
    lab_tools,
    reset,
    select_machines,
    status,
    take_down,
)

__all__ = [
    "LabLayout",
    "MachineStatus",
    "bring_up",
    "lab_layout",
    "lab_tools",
    "missing_tools",
    "privilege_problem",
    "reset",
    "select_machines",
    "status",
    "take_down",
]
