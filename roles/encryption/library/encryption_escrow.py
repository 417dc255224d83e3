#!/usr/bin/python
"""The headers of encrypted devices, on their host; the action plugin of the same name calls it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: encryption_escrow
short_description: Headers of LUKS devices in escrow
description:
  - Brings the header of each LUKS device to the control node, and leaves a note of what is there in
    C(/etc/pas-infra/escrow.json), which checks compare with the disks.
author: pas-infra
"""

NOTE = Path("/etc/pas-infra/escrow.json")
# In a file system in memory that is nobody else's: what is killed leaves no copy.
READ = (
    'mount -t tmpfs -o mode=0700 tmpfs /dev/shm && cryptsetup luksHeaderBackup "$1" '
    "--header-backup-file /dev/shm/header >&2 && cat /dev/shm/header"
)


def main() -> None:
    """Say which headers there are, with the content of those that are not known; or note them."""
    module = AnsibleModule(
        argument_spec={
            "known": {"type": "dict", "default": {}},
            "noted": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    if module.params["noted"] is not None:
        note(module, module.params["noted"])
    known = module.params["known"]
    headers: dict[str, dict[str, str]] = {}
    for uuid, paths in devices(module).items():
        contents = {path: header(module, path) for path in paths}
        if len(set(contents.values())) > 1:
            module.fail_json(
                msg=f"{' and '.join(paths)} say that they are the same encrypted device {uuid}, "
                "and have other headers: remove the copy, or give it a UUID of its own"
            )
        path, content = next(iter(contents.items()))
        found = {"device": path, "sha256": hashlib.sha256(content).hexdigest()}
        # One that is known and another now is not brought: nothing replaces it unasked.
        if uuid not in known and not module.check_mode:
            found["content"] = base64.b64encode(gzip.compress(content, mtime=0)).decode()
        headers[uuid] = found
    module.exit_json(changed=False, headers=headers, noted=read_note())


def read_note() -> dict[str, str]:
    """What was noted; nothing where the note cannot be read, so that it is written again."""
    try:
        noted = json.loads(NOTE.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def note(module: AnsibleModule, wanted: dict[str, str]) -> None:
    """Write the note of what is in escrow."""
    NOTE.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = NOTE.with_name(f".{NOTE.name}")
    with new.open("w", encoding="utf-8") as file:
        file.write(json.dumps(wanted, indent=2, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.chmod(0o644)
    new.replace(NOTE)
    module.exit_json(changed=True)


def devices(module: AnsibleModule) -> dict[str, list[str]]:
    """The paths of LUKS devices by UUID; the members of a mirror are not the device."""
    listed = must(module, "lsblk", "--json", "--output", "NAME,PATH,FSTYPE,UUID")
    found: dict[str, list[str]] = {}

    def look(nodes: list[dict[str, Any]]) -> None:
        for node in nodes:
            if node["fstype"] == "crypto_LUKS":
                paths = found.setdefault(node["uuid"], [])
                # A mirror stands below each of its members.
                if node["path"] not in paths:
                    paths.append(node["path"])
            look(node.get("children", []))

    look(json.loads(listed)["blockdevices"])
    return found


def header(module: AnsibleModule, device: str) -> bytes:
    """The header with its key slots; its copy lies in memory, and goes with the process."""
    command = ["unshare", "--mount", "sh", "-c", READ, "sh", device]
    code, content, err = module.run_command(command, encoding=None)
    if code != 0:
        reason = err.decode(errors="replace").strip()
        module.fail_json(msg=f"the header of {device} cannot be read, code {code}: {reason}")
    return bytes(content)


def must(module: AnsibleModule, *command: str) -> str:
    """What the command prints; the task fails when it does."""
    code, out, err = module.run_command(list(command))
    if code != 0:
        module.fail_json(msg=f"{' '.join(command)} ended with {code}: {err.strip()}")
    return str(out)


if __name__ == "__main__":
    main()
