"""The control node's half of the confirmed commit: the fresh connection that confirms it."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

GUARD = Path(__file__).parent.parent / "files" / "guard.py"
COMMITS = "/var/lib/pas-infra/commits"
DEFAULT_TIMEOUT = 90  # seconds; `confirmed_commit_timeout` overrides it
PAUSE = 2.0  # seconds between two tries
SETTLING = 60.0  # seconds that a rollback may take after the time limit


class ActionModule(ActionBase):
    """Arms on the host, confirms over a connection that nothing has used before."""

    _VALID_ARGS = frozenset(("name", "state", "paths", "units", "ruleset"))

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Ansible's entry point."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        if self._task.check_mode:
            return {
                **result,
                "skipped": True,
                "msg": "nothing is changed, nothing needs confirming",
            }
        state = self._task.args["state"]
        if state == "armed":
            timeout = int(self._variable("confirmed_commit_timeout") or DEFAULT_TIMEOUT)
            return {**result, **self._on_host("armed", timeout=timeout)}
        if state == "confirmed":
            return {**result, **self._confirm()}
        return {**result, **self._roll_back()}

    def _on_host(self, state: str, **extra: Any) -> dict[str, Any]:
        arguments = {**self._task.args, **extra, "state": state, "script": GUARD.read_text()}
        answer: dict[str, Any] = self._execute_module(
            module_name="confirmed_commit", module_args=arguments, task_vars=self._task_vars
        )
        answer.pop("invocation", None)  # it would repeat the whole script in every log
        return answer

    def _confirm(self) -> dict[str, Any]:
        name = self._task.args["name"]
        deadline = time.monotonic() + int(
            self._variable("confirmed_commit_timeout") or DEFAULT_TIMEOUT
        )
        try:
            status = self._on_host("status")
        except AnsibleError as error:
            status = {"failed": True, "msg": str(error)}
        # The change may have cut the way that made it, sudo included; a fresh connection decides.
        unknown = {"armed": True, "changed": ["(the host did not say what)"]}
        commit = unknown if status.get("failed") else status["commit"]
        if not commit["armed"]:
            return self._rolled_back(commit.get("rolled_back"), "")
        if not commit["changed"]:
            return self._on_host("confirmed")
        refusal = ""
        while time.monotonic() < deadline:
            confirmed, said = self._fresh(
                ["python3", f"{COMMITS}/{name}/guard.py", "confirm", name]
            )
            if confirmed:
                what = ", ".join(commit["changed"])
                return {"changed": False, "msg": f"confirmed over a fresh connection: {what}"}
            # What was refused first is the reason; later ones may be its consequences.
            refusal = refusal or said
            time.sleep(PAUSE)
        return self._rolled_back(self._await_rollback(name), refusal)

    def _await_rollback(self, name: str) -> dict[str, Any] | None:
        deadline = time.monotonic() + SETTLING
        while time.monotonic() < deadline:
            found, said = self._fresh(["cat", f"{COMMITS}/{name}.rolled-back.json"])
            if found:
                record: dict[str, Any] = json.loads(said)
                return record
            time.sleep(PAUSE)
        return None

    def _rolled_back(self, record: dict[str, Any] | None, said: str) -> dict[str, Any]:
        name = self._task.args["name"]
        why = f"; the fresh connection said: {said}" if said else ""
        if record is None:
            return {
                "failed": True,
                "msg": f"the change {name!r} could not be confirmed{why}. The host does not answer "
                "after its time limit either: look at it through its console",
            }
        what = ", ".join(record["changed"]) or "nothing had changed"
        faults = f"; in doing so: {'; '.join(record['faults'])}" if record["faults"] else ""
        return {
            "failed": True,
            "rolled_back": record,
            "msg": f"the change {name!r} was rolled back at {record['when']}, because "
            f"{record['why']}{why}. Restored: {what}{faults}",
        }

    def _roll_back(self) -> dict[str, Any]:
        answer = self._on_host("rolled_back")
        if answer.get("failed") or "why" not in answer["commit"]:
            return answer
        return self._rolled_back(answer["commit"], "")

    def _fresh(self, command: list[str]) -> tuple[bool, str]:
        """Run a command as root over a new SSH connection; returns success and what it said."""
        password = self._variable("ansible_become_password")
        sudo = ["sudo", "-S", "-p", ""] if password else ["sudo", "-n"]
        try:
            done = subprocess.run(
                [*self._ssh(), shlex.join([*sudo, *command])],
                input=f"{password}\n" if password else "",
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False, "no answer within 30 s"
        if done.returncode == 0:
            return True, done.stdout.strip()
        return False, " ".join(done.stderr.split()) or f"exit code {done.returncode}"

    def _ssh(self) -> list[str]:
        """Never a reused socket: a multiplexed session would survive what locks others out."""
        command = ["ssh", "-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "BatchMode=yes"]
        command += ["-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"]
        for option, variable in (
            ("-p", "ansible_port"),
            ("-l", "ansible_user"),
            ("-i", "ansible_ssh_private_key_file"),
        ):
            value = self._variable(variable)
            if value:
                command += [option, str(value)]
        for variable in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
            command += shlex.split(str(self._variable(variable) or ""))
        address = self._variable("ansible_host") or self._task_vars["inventory_hostname"]
        return [*command, str(address)]

    def _variable(self, name: str) -> Any:
        return self._templar.template(self._task_vars.get(name))
