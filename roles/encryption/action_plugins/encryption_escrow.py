"""Headers of LUKS devices in escrow: read on the host, kept here, encrypted."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Asks the host for the headers that are not kept yet, keeps them, and leaves a note there."""

    _VALID_ARGS = frozenset[str]()

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Ansible's entry point."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        host = self._task_vars["inventory_hostname"]
        directory = Path(str(self._variable("encryption_escrow_directory"))).expanduser()
        register = directory / f"{host}.json"
        kept = json.loads(register.read_text("utf-8")) if register.exists() else {}
        # What the register names and nobody has is not kept.
        kept = {uuid: sha for uuid, sha in kept.items() if _file(directory, host, uuid).exists()}
        there = self._on_host(known=kept)
        if there.get("failed"):
            return {**result, **there}
        headers: dict[str, dict[str, str]] = there["headers"]
        fresh = {uuid: h for uuid, h in headers.items() if kept.get(uuid) != h["sha256"]}
        now = {uuid: header["sha256"] for uuid, header in headers.items()}
        said = [f"the header of {header['device']} ({uuid})" for uuid, header in fresh.items()]
        if not self._task.check_mode:
            try:
                self._keep(directory, host, fresh)
                if fresh:
                    # Others stay: a device that is not there today may come back.
                    _write(register, json.dumps({**kept, **now}, indent=2).encode())
            except OSError as error:
                raise AnsibleActionFail(
                    f"the control node cannot keep the headers of {host}: {error}"
                ) from error
        if there["noted"] != now:
            said.append("its note")
            if not self._task.check_mode and (done := self._on_host(noted=now)).get("failed"):
                return {**result, **done}
        kept_now = f"now in escrow: {', '.join(said)}"
        return {**result, "changed": bool(said), **({"msg": kept_now} if said else {})}

    def _keep(self, directory: Path, host: str, fresh: dict[str, dict[str, str]]) -> None:
        vault = VaultLib(
            [("escrow", VaultSecret(str(self._variable("encryption_escrow_passphrase")).encode()))]
        )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for uuid, header in fresh.items():
            # A former header is a copy of a key that may have been taken away since: it goes.
            content = vault.encrypt(base64.b64decode(header["content"]))
            _write(_file(directory, host, uuid), content)

    def _on_host(self, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name="encryption_escrow", module_args=arguments, task_vars=self._task_vars
        )
        answer.pop("invocation", None)
        return answer

    def _variable(self, name: str) -> Any:
        return self._templar.template(self._task_vars.get(name))


def _file(directory: Path, host: str, uuid: str) -> Path:
    return directory / f"{host}-{uuid}.gz.vault"


def _write(place: Path, content: bytes) -> None:
    """All of it or nothing, and for this account only."""
    new = place.with_name(f".{place.name}")
    new.unlink(missing_ok=True)
    new.touch(0o600)
    with new.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    new.replace(place)
