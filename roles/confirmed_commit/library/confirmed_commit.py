#!/usr/bin/python
"""The confirmed commit on the host; the action plugin of the same name is what roles call."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: confirmed_commit
short_description: A change that undoes itself unless a fresh connection confirms it
description:
  - C(state=armed) saves files, unit states and the firewall's rules on the host and starts a timer
    there, which restores them. It changes nothing of the host's settings.
  - C(state=confirmed) opens a new connection over the path that will be used from then on, sudo
    included, and disarms the timer over it. It fails when that does not succeed in time, after
    the host has rolled back, and says what was rolled back.
  - C(state=rolled_back) restores at once what is still armed, and says what it was.
options:
  name: {type: str, required: true, description: "Lower-case letters, digits and underscores."}
  state: {type: str, choices: [armed, confirmed, rolled_back], required: true,
          description: "See above."}
  paths: {type: list, elements: path, default: [], description: "Files and directories to save."}
  units: {type: list, elements: str, default: [], description: "systemd units to save."}
  ruleset: {type: bool, default: false, description: "Save the rules of nftables too."}
  timeout: {type: int, default: 90, description: "Seconds until the host restores by itself."}
  script: {type: str, description: "Handed over by the action plugin."}
author: pas-infra
"""

COMMITS = "/var/lib/pas-infra/commits"


def main() -> None:
    """Hand the request to guard.py, which stays on the host while the commit is armed."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "required": True,
                "choices": ["armed", "status", "confirmed", "rolled_back"],
            },
            "paths": {"type": "list", "elements": "path", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "ruleset": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 90},
            "script": {"type": "str", "required": True},
        },
        supports_check_mode=False,
    )
    wanted = module.params
    Path(COMMITS).mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=COMMITS, suffix=".guard.py") as guard:
        guard.write(wanted["script"])
        guard.flush()
        request = {key: wanted[key] for key in ("name", "paths", "units", "ruleset", "timeout")}
        arguments = {
            "armed": ["arm", json.dumps({**request, "guard": guard.name})],
            "status": ["status", wanted["name"]],
            "confirmed": ["confirm", wanted["name"]],
            "rolled_back": ["restore", wanted["name"], "failed"],
        }[wanted["state"]]
        code, stdout, stderr = module.run_command(["/usr/bin/python3", guard.name, *arguments])
    if code != 0:
        module.fail_json(msg=f"the confirmed commit {wanted['name']}: {stderr.strip()}")
    module.exit_json(changed=False, commit=json.loads(stdout))


if __name__ == "__main__":
    main()
