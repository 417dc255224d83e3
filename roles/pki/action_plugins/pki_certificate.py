"""A certificate of the internal authority for a host: looked at there, signed here."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

_FILE = Path(__file__).parent.parent / "files" / "authority.py"


def _load() -> Any:
    """The authority's module: a role's own files are on nobody's path."""
    name = "pas_infra_pki_authority"
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, _FILE)
        if specification is None or specification.loader is None:
            raise AnsibleActionFail(f"{_FILE} is missing")
        sys.modules[name] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class ActionModule(ActionBase):
    """Asks the host for its key's request and its certificate; signs a new one where it must."""

    _VALID_ARGS = frozenset(("name", "usage", "names", "group"))

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Ansible's entry point."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        ours, host = _load(), self._task_vars["inventory_hostname"]
        wanted = ours.Wanted(
            host,
            self._task.args["name"],
            self._task.args["usage"],
            tuple(self._task.args.get("names") or [host]),
            int(self._variable("pki_days")),
            int(self._variable("pki_renew_days")),
        )
        there = self._on_host("inspected", host)
        if there.get("failed"):
            return {**result, **there}
        directory = Path(str(self._variable("pki_authority_directory"))).expanduser()
        try:
            with contextlib.nullcontext() if self._task.check_mode else ours.alone(directory):
                made, why = self._sign(ours, directory, wanted, there)
        except (OSError, ValueError) as error:
            raise AnsibleActionFail(
                f"the control node's authority for {wanted.usage} cannot sign for {host}: {error}"
            ) from error
        done = self._on_host("present", host, **made)
        if done.get("failed"):
            return {**result, **done}
        said = [f"a new certificate: {why}"] if why else []
        said += done["written"]
        return {**result, "changed": bool(said), **({"msg": ", ".join(said)} if said else {})}

    def _sign(
        self, ours: Any, directory: Path, wanted: Any, there: dict[str, Any]
    ) -> tuple[dict[str, str], str]:
        """What the host is to have, and why its certificate is a new one; a plan keeps nothing."""
        now, plan = datetime.now(UTC), bool(self._task.check_mode)
        passphrase = str(self._variable("pki_authority_passphrase")).encode()
        organisation = str(self._variable("pki_organisation"))
        authority = ours.open_authority(
            directory, wanted.usage, passphrase, organisation, now, keep=plan
        )
        revoked = [int(str(each), 16) for each in self._variable("pki_revoked") or []]
        listed = ours.revocation_list(
            directory / f"{wanted.usage}.crl.pem", authority, revoked, now, keep=plan
        )
        made = {"authority": authority.pem, "revoked": listed}
        found, request = there["certificate"], there["request"]
        why = ours.why_renew(found, request, wanted, authority, revoked, now)
        if not why:
            return {**made, "certificate": ours.plain(found)}, ""
        if plan:
            return {**made, "certificate": found}, why
        # Each certificate has a key of its own: revoking the one ends the other.
        asked = self._on_host("requested", wanted.host)
        if asked.get("failed"):
            raise ValueError(asked["msg"])
        issued = ours.issue(authority, asked["request"], wanted, now)
        record = {
            "serial": f"{issued.serial_number:x}",
            "host": wanted.host,
            "name": wanted.name,
            "usage": wanted.usage,
            "why": why,
            "until": issued.not_valid_after_utc.isoformat(),
        }
        with (directory / "issued.jsonl").open("a") as register:
            register.write(f"{json.dumps(record)}\n")
        return {**made, "certificate": issued.public_bytes(ours.PEM).decode()}, why

    def _on_host(self, state: str, host: str, **texts: str) -> dict[str, Any]:
        arguments = {
            "state": state,
            "host": host,
            "name": self._task.args["name"],
            "group": self._task.args.get("group") or "root",
            **texts,
        }
        answer: dict[str, Any] = self._execute_module(
            module_name="pki_certificate", module_args=arguments, task_vars=self._task_vars
        )
        answer.pop("invocation", None)
        return answer

    def _variable(self, name: str) -> Any:
        return self._templar.template(self._task_vars.get(name))
