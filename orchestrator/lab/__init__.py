"""The lab: real Debian 13 hosts on this machine. The only place that knows nspawn and QEMU."""

from orchestrator.lab.commands import missing_tools, privilege_problem
from orchestrator.lab.image import ensure_archive, system_recipe
from orchestrator.lab.layout import LabLayout, lab_layout
from orchestrator.lab.lifecycle import (
    MachineStatus,
    bring_up,
    lab_tools,
    on_metal,
    reset,
    select_machines,
    status,
    take_down,
)

__all__ = [
    "LabLayout",
    "MachineStatus",
    "bring_up",
    "ensure_archive",
    "lab_layout",
    "lab_tools",
    "missing_tools",
    "on_metal",
    "privilege_problem",
    "reset",
    "select_machines",
    "status",
    "system_recipe",
    "take_down",
]
