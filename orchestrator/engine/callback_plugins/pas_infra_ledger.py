"""An Ansible callback: the engine's second ledger, for what ansible-runner's events do not say.

Events carry no tags, hide whether a `no_log` task changed something, and do not say why one was
skipped. This writes all three, one JSON object a line, to the file named by PAS_INFRA_LEDGER; never
a result's content.
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
short_description: What events do not say of tasks, for pas-infra's engine
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
        task, host, content = _parts(result)
        if "censored" in content:
            self._write(
                task=str(task._uuid),
                host=host.get_name(),
                changed=bool(content.get("changed", False)),
            )

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Note whether it is check mode that left the task out, and not its own condition."""
        task, host, content = _parts(result)
        self._write(
            task=str(task._uuid),
            host=host.get_name(),
            blind=bool(task.check_mode) and _is_blind(content),
        )


def _parts(result: Any) -> tuple[Any, Any, Any]:
    """Task, host and content of a result, whatever this version of Ansible calls them."""
    return tuple(
        getattr(result, name) if hasattr(result, name) else getattr(result, f"_{name}")
        for name in ("task", "host", "result")
    )


def _is_blind(content: Any) -> bool:
    """A condition that asks for check mode, or a module that cannot say what it would do."""
    items = [item for item in content.get("results") or () if isinstance(item, dict)]
    if items:
        return any(_is_blind(item) for item in items)
    if "skip_reason" in content:
        return "ansible_check_mode" in str(content.get("false_condition", ""))
    return "skipped_reason" not in content  # the reason of a loop over nothing
