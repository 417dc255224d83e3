#!/usr/bin/python
"""A certificate on its host; the action plugin of the same name is what roles call."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: pki_certificate
short_description: A host's certificate from the internal authority
description:
  - Makes the host's key where there is none; it never leaves the host. The control node signs its
    request, and anew in time, when names or key change, and, with a new key, when it is revoked.
  - Leaves C(key.pem), C(certificate.pem), C(authority.pem) and C(revoked.pem) below
    C(/etc/pas-infra/pki/NAME).
options:
  name: {type: str, required: true, description: "What the certificate is for; its directory."}
  usage: {type: str, required: true, description: "The authority that signs it, such as logs."}
  names: {type: list, elements: str, description: "DNS names and addresses; else the host's name."}
  group: {type: str, default: root, description: "Who may read the key, beside root."}
author: pas-infra
"""

ROOT = Path("/etc/pas-infra/pki")
FILES = {"certificate": "certificate.pem", "authority": "authority.pem", "revoked": "revoked.pem"}


def main() -> None:
    """Say what there is, making the key, or write what the control node has signed."""
    texts = {name: {"type": "str", "default": ""} for name in FILES}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "group": {"type": "str", "default": "root"},
            "host": {"type": "str", "required": True},
            "fresh": {"type": "bool", "default": False},
            "state": {"type": "str", "required": True, "choices": ["inspected", "present"]},
            **texts,
        },
        supports_check_mode=True,
    )
    directory = ROOT / module.params["name"]
    if module.params["state"] == "inspected":
        inspect(module, directory)
    else:
        write(module, directory)


def inspect(module: AnsibleModule, directory: Path) -> None:
    """Answer with the request of the key and the certificate, each "" where there is none."""
    key, made = directory / "key.pem", False
    sound = module.run_command(["openssl", "pkey", "-in", str(key), "-noout"])[0] == 0
    if module.params["fresh"] or not sound:
        made = True
        if not module.check_mode:
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            new = directory / ".key.pem"
            new.unlink(missing_ok=True)
            new.touch(0o600)
            must(module, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-out", str(new))  # fmt: skip
            new.replace(key)
    request = ""
    if not (made and module.check_mode):
        subject = f"/CN={module.params['host']}"
        request = must(module, "openssl", "req", "-new", "-key", str(key), "-subj", subject)
    there = directory / FILES["certificate"]
    certificate = there.read_text("utf-8", "replace") if there.exists() else ""
    module.exit_json(changed=made, request=request, certificate=certificate)


def write(module: AnsibleModule, directory: Path) -> None:
    """Keep content, owner and mode of every file, and of the directories; say what was not so."""
    try:
        group = grp.getgrnam(module.params["group"]).gr_gid
    except KeyError:
        if not module.check_mode:
            module.fail_json(msg=f"there is no group {module.params['group']} to read the key")
        group = 0  # a plan: the package that brings the group would only now be installed
    written = [
        str(place) for place in (ROOT.parent, ROOT, directory) if keep(module, place, 0, 0o755)
    ]
    for name, file in FILES.items():
        text, place = module.params[name], directory / file
        if not place.exists() or place.read_bytes() != text.encode():
            written.append(str(place))
            if not module.check_mode:
                new = place.with_name(f".{file}")
                new.write_text(text)
                new.replace(place)
        if place.exists() and keep(module, place, 0, 0o644) and str(place) not in written:
            written.append(str(place))
    key = directory / "key.pem"
    if key.exists() and keep(module, key, group, 0o640 if group else 0o600):
        written.append(str(key))
    module.exit_json(changed=bool(written), written=written)


def keep(module: AnsibleModule, place: Path, group: int, mode: int) -> bool:
    """Root's, of the group and mode that are wanted; True when it was not."""
    if not place.exists():
        return False
    status = place.stat()
    if (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, group, mode):
        return False
    if not module.check_mode:
        os.chown(place, 0, group)
        place.chmod(mode)
    return True


def must(module: AnsibleModule, *command: str) -> str:
    """Run a command; fails the task with what it says."""
    code, stdout, stderr = module.run_command(list(command))
    if code != 0:
        module.fail_json(msg=f"{' '.join(command[:2])}: {stderr.strip()}")
    found: Any = stdout
    return str(found)


if __name__ == "__main__":
    main()
