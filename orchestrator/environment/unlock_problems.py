"""Whoever may unlock an encrypted host is declared: leaving must take that away too."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.environment.inventory import Inventory, Setting
from orchestrator.environment.lines import Document
from orchestrator.environment.ssh_keys import public_key
from orchestrator.errors import Problem

KEYS = "initramfs_unlock_keys"


def unlock_key_problems(people: Document, inventory: Inventory) -> Iterator[Problem]:
    """Keys that may give the passphrase of a host's disks, and are nobody's of people.yml.

    Nothing is said where a key is computed: only Ansible knows whose it is.
    """
    for host in sorted(inventory.hosts):
        settings = inventory.merged(host)
        setting = settings.get(KEYS)
        known = _fingerprints(people.data, settings)
        if setting is None or not isinstance(setting.value, list) or known is None:
            continue
        for position, line in enumerate(setting.value):
            if not isinstance(line, str) or "{{" in line:
                continue
            try:
                stranger = public_key(line).fingerprint not in known
            except ValueError as fault:
                yield setting.problem(f"a key {fault}", "make one by `ssh-keygen`", (position,))
                continue
            if stranger:
                yield setting.problem(
                    f"`{line.split()[-1]}` may unlock disks, and is nobody's key in people.yml",
                    "remove it, then `pas-infra apply --role initramfs`; or declare whose it is",
                    (position,),
                )


def _fingerprints(people: Any, settings: Mapping[str, Setting]) -> set[str] | None:
    """Of every declared key; None where some are computed."""
    found: set[str] = set()
    for entry in (*people["persons"], *people["machines"]):
        keys = entry.get("keys")
        if keys is None and "forced_command" in entry:
            continue  # it is there for that alone, and cannot be meant to unlock anything
        if keys is None:
            setting = settings.get(entry.get("keys_variable"))
            keys = setting.value if setting else []
        if not isinstance(keys, list) or any("{{" in str(line) for line in keys):
            return None
        for line in keys:
            try:
                found.add(public_key(str(line)).fingerprint)
            except ValueError:  # told where it stands
                continue
    return found
