"""An Ansible vars plugin: the variables of the secret store, which the engine holds in memory.

They come from the socket named by PAS_INFRA_SECRETS, as variables of groups and hosts beside those
of group_vars/ and host_vars/. Their text is never taken for a template.
"""

# Ansible loads this file by itself, outside the orchestrator's package.
from __future__ import annotations

import json
import os
import socket
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.vars import BaseVarsPlugin

DOCUMENTATION = """
name: pas_infra_secrets
short_description: Variables of pas-infra's secret store
description:
  - Reads one JSON object from the socket named by the environment variable PAS_INFRA_SECRETS.
"""


@cache
def _handed_over(path: str) -> dict[str, Any]:
    try:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(path)
            with asked.makefile("rb") as said:
                found: dict[str, Any] = json.load(said)
    except (OSError, ValueError) as error:
        raise AnsibleError(f"pas-infra does not hand over its secrets: {error}") from error
    return found


class VarsModule(BaseVarsPlugin):  # type: ignore[misc]  # Ansible carries no types
    """The variables of the groups and hosts that are asked for."""

    def get_vars(self, loader: Any, path: str, entities: Any) -> dict[str, Any]:
        """Those of `entities` in their order, where `path` is the environment's directory."""
        super().get_vars(loader, path, entities)
        socket_path = os.environ.get("PAS_INFRA_SECRETS")
        if socket_path is None:
            return {}
        handed = _handed_over(socket_path)
        # Ansible asks for the playbook's directory as well, whose variables would win over others.
        if Path(path).resolve() != Path(handed["directory"]):
            return {}
        found: dict[str, Any] = {}
        for entity in entities if isinstance(entities, list) else [entities]:
            found |= handed["secrets"].get(entity.name, {})
        return found
