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
  - Each certificate has a key of its own, made on the host, which never leaves it. The control node
    signs its request, and anew in time, when its names change, and when it is revoked.
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
NEW_KEY = ".key.pem"
FILES = {"certificate": "certificate.pem", "authority": "authority.pem", "revoked": "revoked.pem"}


def main() -> None:
    """Say what there is, make a key and ask for its signature, or write what was signed."""
    texts = {name: {"type": "str", "default": ""} for name in FILES}
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "group": {"type": "str", "default": "root"},
            "host": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "required": True,
                "choices": ["inspected", "requested", "present"],
            },
            **texts,
        },
        supports_check_mode=True,
    )
    directory = ROOT / module.params["name"]
    {"inspected": inspect, "requested": request, "present": write}[module.params["state"]](
        module, directory
    )


def inspect(module: AnsibleModule, directory: Path) -> None:
    """Answer with the certificate, and a request of its key; each "" where there is none."""
    key, there = directory / "key.pem", directory / FILES["certificate"]
    if not module.check_mode:
        (directory / NEW_KEY).unlink(missing_ok=True)  # of a run that was interrupted
    sound = module.run_command(["openssl", "pkey", "-in", str(key), "-noout"])[0] == 0
    module.exit_json(
        changed=False,
        request=request_of(module, key) if sound else "",
        certificate=there.read_text("utf-8", "replace") if there.exists() else "",
    )


def request(module: AnsibleModule, directory: Path) -> None:
    """Make a new key beside the one that is used, and answer with its request."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = directory / NEW_KEY
    new.unlink(missing_ok=True)
    new.touch(0o600)
    must(module, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-out", str(new))  # fmt: skip
    module.exit_json(changed=False, request=request_of(module, new))


def request_of(module: AnsibleModule, key: Path) -> str:
    """A request that the key has signed."""
    return must(module, "openssl", "req", "-new", "-key", str(key), "-subj", "/CN=host")


def write(module: AnsibleModule, directory: Path) -> None:
    """Keep content, owner and mode of every file and directory; say what was not so.

    A key that was made for this certificate takes the place of the former one.
    """
    new_key, key = directory / NEW_KEY, directory / "key.pem"
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
    if new_key.exists() and not module.check_mode:
        new_key.replace(key)
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
