"""An Ansible callback: load once, before the workers are forked, what each would load for itself.

Every worker lives for one task of one host, and the first expression with a filter in it has it
load all the filters there are. What the process that forks it has loaded, it inherits.
"""

# Ansible loads this file by itself, outside the orchestrator's package.
from __future__ import annotations

import gc
import os

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import filter_loader, test_loader

_ENOUGH_PROCESSORS = 4

DOCUMENTATION = """
name: pas_infra_warm_up
type: aggregate
short_description: Loads Ansible's filters and tests before its workers are forked
description:
  - Changes nothing but the time that a play takes.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible carries no types
    """Loads the filters and tests that expressions use."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "pas_infra_warm_up"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: object) -> None:
        """Load them, and keep the garbage collector from touching them in every worker."""
        del playbook
        for loader in (filter_loader, test_loader):
            list(loader.all())
        _free_the_processors()
        gc.collect()
        gc.freeze()


def _free_the_processors() -> None:
    """On a small machine, keep Mitogen from binding processes to processors.

    It keeps the first one for its own traffic, which of two leaves one for all of Ansible: a
    no-change apply takes a sixth longer.
    """
    if (os.cpu_count() or 1) >= _ENOUGH_PROCESSORS:
        return
    try:
        from ansible_mitogen import affinity
    except ImportError:
        return  # the stock strategy binds nothing
    affinity.policy = affinity.Policy()
