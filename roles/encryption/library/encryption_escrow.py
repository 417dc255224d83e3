#!/usr/bin/python
"""The headers of encrypted devices, on their host; the action plugin of the same name calls it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: encryption_escrow
short_description: Headers of LUKS devices in escrow
description:
  - Brings the header of each LUKS device to the control node whenever it has changed, and leaves
    a note of it on the host in C(/etc/pas-infra/escrow.json), which checks read.
author: pas-infra
"""

NOTE = Path("/etc/pas-infra/escrow.json")


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
    headers = {}
    for uuid, device in devices(module).items():
        content = header(module, device)
        found = {"device": device, "sha256": hashlib.sha256(content).hexdigest()}
        if known.get(uuid) != found["sha256"] and not module.check_mode:
            found["content"] = base64.b64encode(gzip.compress(content, mtime=0)).decode()
        headers[uuid] = found
    noted = json.loads(NOTE.read_text("utf-8")) if NOTE.exists() else {}
    module.exit_json(changed=False, headers=headers, noted=noted)


def note(module: AnsibleModule, wanted: dict[str, str]) -> None:
    """Write the note of what is in escrow."""
    NOTE.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = NOTE.with_name(f".{NOTE.name}")
    new.write_text(json.dumps(wanted, indent=2, sort_keys=True) + "\n")
    new.chmod(0o644)
    new.replace(NOTE)
    module.exit_json(changed=True)


def devices(module: AnsibleModule) -> dict[str, str]:
    """The path of every LUKS device by its UUID; the members of a mirror are not the device."""
    listed = must(module, "lsblk", "--json", "--paths", "--output", "NAME,FSTYPE,UUID")
    found: dict[str, str] = {}

    def look(nodes: list[dict[str, Any]]) -> None:
        for node in nodes:
            if node["fstype"] == "crypto_LUKS":
                found[node["uuid"]] = node["name"]
            look(node.get("children", []))

    look(json.loads(listed)["blockdevices"])
    return found


def header(module: AnsibleModule, device: str) -> bytes:
    """The header with its key slots; it lies in memory only while it is read."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        file = Path(place) / "header"
        must(module, "cryptsetup", "luksHeaderBackup", device, "--header-backup-file", str(file))
        return file.read_bytes()


def must(module: AnsibleModule, *command: str) -> str:
    """What the command prints; the task fails when it does."""
    code, out, err = module.run_command(list(command))
    if code != 0:
        module.fail_json(msg=f"{' '.join(command)} ended with {code}: {err.strip()}")
    return str(out)


if __name__ == "__main__":
    main()
