"""Headers of LUKS devices in escrow: read on the host, kept here, encrypted."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import AnsibleVaultFormatError, VaultLib, VaultSecret
from ansible.plugins.action import ActionBase

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SUFFIX = ".gz.vault"


class ActionModule(ActionBase):
    """Asks the host for the headers that are not kept yet, keeps them, and leaves a note there.

    What is kept is read again each time, so that a damaged copy is seen while the header exists.
    `proven` are sums of headers, by UUID, of which somebody knows that a key opens them: these may
    replace what is kept.
    """

    _VALID_ARGS = frozenset({"proven"})

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Ansible's entry point."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        directory = Path(str(self._variable("encryption_escrow_directory"))).expanduser()
        directory /= str(self._task_vars["inventory_hostname"])
        try:
            proven = dict(self._task.args.get("proven") or {})
            kept = self._kept(directory)
            replaced = {uuid for uuid, known in kept.items() if proven.get(uuid, known) != known}
            there = self._on_host(known={u: s for u, s in kept.items() if u not in replaced})
            if there.get("failed"):
                return {**result, **there}
            said, others = self._compare(directory, kept, there["headers"], proven)
        except OSError as error:
            raise AnsibleActionFail(
                f"the control node cannot keep headers: {error}. Give this account a directory of "
                "its own, encryption_escrow_directory"
            ) from error
        # A header that has vanished, or is another one, stays noted as it was: a check says so.
        sums = {uuid: header["sha256"] for uuid, header in there["headers"].items()}
        noted = kept | {uuid: sum_ for uuid, sum_ in sums.items() if uuid not in others}
        if there["noted"] != noted:
            said.append("the note of them on the host")
            if not self._task.check_mode and (done := self._on_host(noted=noted)).get("failed"):
                return {**result, **done}
        if others and not self._task.check_mode:
            raise AnsibleActionFail(
                f"another header than the one in escrow: {'; '.join(others.values())}. Keys were "
                "changed, or it is damaged. The one in escrow is not replaced: it may be the last "
                "that opens the disk. If you changed the keys, pas-infra keys escrow proves the "
                "new one and keeps it"
            )
        message = {"msg": f"now in escrow: {', '.join(said)}"} if said else {}
        return {**result, "changed": bool(said), **message}

    def _compare(
        self,
        directory: Path,
        kept: dict[str, str],
        headers: dict[str, dict[str, str]],
        proven: dict[str, str],
    ) -> tuple[list[str], dict[str, str]]:
        """Keep what is new; what that is, and by UUID what is another header than before."""
        said, others = [], {}
        for uuid, header in headers.items():
            if not _UUID.fullmatch(uuid):
                raise AnsibleActionFail(f"{header['device']} has no UUID of LUKS: {uuid!r}")
            if kept.get(uuid) == header["sha256"]:
                continue
            said.append(f"the header of {header['device']} ({uuid})")
            if uuid in kept and proven.get(uuid) != header["sha256"]:
                others[uuid] = f"{header['device']}, {_file(directory, uuid)}"
            elif not self._task.check_mode:
                self._keep(directory, uuid, header)
        return said, others

    def _kept(self, directory: Path) -> dict[str, str]:
        """The SHA-256 of each header in escrow that can be decrypted, by UUID."""
        if not directory.exists():
            return {}
        if directory.stat().st_mode & 0o077:
            raise AnsibleActionFail(f"others may look into {directory}: chmod 700 it")
        found = {}
        vault = self._vault()
        for file in directory.glob(f"*{_SUFFIX}"):
            try:
                header = gzip.decompress(vault.decrypt(file.read_bytes()))
            except (AnsibleError, AnsibleVaultFormatError, OSError, EOFError, ValueError):
                continue  # worth nothing: another takes its place
            found[file.name.removesuffix(_SUFFIX)] = hashlib.sha256(header).hexdigest()
        return found

    def _keep(self, directory: Path, uuid: str, header: dict[str, str]) -> None:
        content = base64.b64decode(header["content"])
        if hashlib.sha256(gzip.decompress(content)).hexdigest() != header["sha256"]:
            raise AnsibleActionFail(f"the header of {header['device']} did not arrive whole")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = _file(directory, uuid)
        new = place.with_name(f".{place.name}")
        new.unlink(missing_ok=True)
        new.touch(0o600)
        with new.open("wb") as file:
            file.write(self._vault().encrypt(content))
            os.fsync(file.fileno())
        new.replace(place)

    def _vault(self) -> VaultLib:
        # Without white space around it, as ansible-vault takes it from whoever types it.
        passphrase = str(self._variable("encryption_escrow_passphrase") or "").strip()
        if len(passphrase) < 20:
            raise AnsibleActionFail(
                "encryption_escrow_passphrase, which encrypts the headers on the control node, has "
                "fewer than 20 characters. Vault a random one in group_vars/"
            )
        return VaultLib([("escrow", VaultSecret(passphrase.encode()))])

    def _on_host(self, **arguments: Any) -> dict[str, Any]:
        # A header is a copy of its keys: -vvv would print it, and a broken answer is passed on.
        said, self._play_context.no_log = self._play_context.no_log, True
        try:
            answer: dict[str, Any] = self._execute_module(
                module_name="encryption_escrow", module_args=arguments, task_vars=self._task_vars
            )
        finally:
            self._play_context.no_log = said
        if answer.get("failed"):
            return {"failed": True, "msg": str(answer.get("msg", "the host gave no answer"))}
        return answer

    def _variable(self, name: str) -> Any:
        return self._templar.template(self._task_vars.get(name))


def _file(directory: Path, uuid: str) -> Path:
    return directory / f"{uuid}{_SUFFIX}"
