"""An Ansible callback: the engine's second ledger, for what ansible-runner's events do not say.

Events carry no tags, and of a `no_log` task they hide whether it changed something. This writes
both, one JSON object a line, to the file named by PAS_INFRA_LEDGER; never a result's content.
"""

# Ansible loads this file by itself, outside the orchestrator's package.
from __future__ import annotations

import ctypes
import json
import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: pas_infra_ledger
type: aggregate
short_description: Tags of each task and outcomes of censored ones, for pas-infra's engine
description:
  - Writes one JSON object a line to the file named by the environment variable PAS_INFRA_LEDGER.
"""

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4

_forking = 0


def _note_parent() -> None:
    global _forking
    _forking = os.getpid()


def _die_with_parent() -> None:
    _die_with(_forking)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, however that dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could say so
        os.kill(os.getpid(), signal.SIGKILL)


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible carries no types
    """Writes the ledger, and ties Ansible's life to the orchestrator's."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "pas_infra_ledger"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        path = os.environ.get("PAS_INFRA_LEDGER")
        self.disabled = path is None
        if path is None:
            return
        self._ledger = open(path, "a", buffering=1, encoding="utf-8")  # noqa: PTH123, SIM115
        # ansible-runner starts us ignoring SIGHUP: without this, a killed orchestrator would leave
        # an Ansible that goes on changing hosts while the next run already holds the lock.
        _die_with(os.getppid())
        # Ansible holds secrets in clear: as the orchestrator, it leaves no core.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0)
        # Its workers, one a host, have sessions of their own and would go on alone.
        os.register_at_fork(before=_note_parent, after_in_child=_die_with_parent)

    def _write(self, **record: object) -> None:
        self._ledger.write(json.dumps(record) + "\n")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: FBT001
        """Note the task's tags."""
        del is_conditional
        self._write(task=str(task._uuid), tags=sorted(set(task.tags)), handler=False)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Note the handler's tags."""
        self._write(task=str(task._uuid), tags=sorted(set(task.tags)), handler=True)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note whether a censored task changed something."""
        content = result.result if hasattr(result, "result") else result._result
        if "censored" in content:
            task = result.task if hasattr(result, "task") else result._task
            host = result.host if hasattr(result, "host") else result._host
            self._write(
                task=str(task._uuid),
                host=host.get_name(),
                changed=bool(content.get("changed", False)),
            )
