"""How hosts are reached, as Ansible resolves it, for what else speaks to them over SSH."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.engine.handover import secrets_at_hand
from orchestrator.engine.private import private_directory
from orchestrator.engine.run import vault_arguments
from orchestrator.environment import Environment
from orchestrator.errors import PasInfraError
from orchestrator.paths import project_root

_CONNECTION = {
    "address": "ansible_host | default(inventory_hostname)",
    "port": "ansible_port | default(22)",
    "user": "ansible_user | default('')",
    "identity": "ansible_ssh_private_key_file | default('')",
    "arguments": (
        "ansible_ssh_common_args | default('') + ' ' + ansible_ssh_extra_args | default('')"
    ),
}
_LOGIN_WITHIN = 15  # seconds
_TALKING = {
    "ANSIBLE_LOG_PATH", "ANSIBLE_CALLBACKS_ENABLED", "ANSIBLE_STDOUT_CALLBACK", "ANSIBLE_DEBUG",
    "ANSIBLE_VERBOSITY",
}  # fmt: skip
_ANSWER = re.compile(r"^(\S+) \| SUCCESS => (\{.*?^\})", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Connection:
    """One host over SSH; `ssh_arguments` are the options of the inventory, host key included."""

    host: str
    address: str
    port: int
    user: str
    ssh_arguments: str

    @property
    def testinfra(self) -> str:
        """The host as testinfra names it."""
        user = f"{self.user}@" if self.user else ""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"ssh://{user}{address}:{self.port}"

    @property
    def ssh(self) -> list[str]:
        """The command that opens a session, without the remote command."""
        user = ["-l", self.user] if self.user else []
        return ["ssh", *shlex.split(self.ssh_arguments), "-p", str(self.port), *user, self.address]

    @property
    def ssh_batch(self) -> list[str]:
        """The same, over a connection of its own, and without a question that nobody answers."""
        within = f"ConnectTimeout={login_within()}"
        options = ("BatchMode=yes", within, "ControlPath=none", "LogLevel=ERROR")
        return ["ssh", *(part for option in options for part in ("-o", option)), *self.ssh[1:]]

    def answers(self) -> bool:
        """Whether a fresh login works."""
        try:
            done = subprocess.run(
                [*self.ssh_batch, "true"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=45 + login_within(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def login_within() -> int:
    """Seconds that a login may take: Ansible's, where somebody who knows slow hosts sets them."""
    told = os.environ.get("ANSIBLE_TIMEOUT", "")
    # What is no number Ansible refuses by itself.
    return max(_LOGIN_WITHIN, int(told) if told.isdecimal() else 0)


def connections(environment: Environment, hosts: Sequence[str]) -> list[Connection]:
    """The connections of the hosts, in their order, with the inventory's templates resolved.

    Raises PasInfraError when Ansible cannot resolve them.
    """
    answers = _resolved(environment, hosts, _CONNECTION)
    return [_connection(host, answers[host]) for host in hosts]


def variables(
    environment: Environment, hosts: Sequence[str], names: Sequence[str]
) -> Mapping[str, Mapping[str, Any]]:
    """Variables of each host with their templates resolved, None for one that is nowhere set.

    For what is no secret. Raises PasInfraError when Ansible cannot resolve them.
    """
    return _resolved(environment, hosts, {name: f"{name} | default(none)" for name in names})


def secret(environment: Environment, host: str, name: str) -> str:
    """A secret variable of the host in clear, "" where it is not set; for memory only.

    Raises PasInfraError when Ansible cannot resolve it.
    """
    return secrets(environment, host, [name])[name]


def secrets(environment: Environment, host: str, names: Sequence[str]) -> dict[str, str]:
    """Several at once, by name: see `secret`."""
    asked = {name: f"{name} | default('')" for name in names}
    return {name: str(value) for name, value in _resolved(environment, [host], asked)[host].items()}


def _resolved(
    environment: Environment, hosts: Sequence[str], expressions: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """What the expressions, by their names, come to on each host."""
    asked = ", ".join(f"'{name}': {expression}" for name, expression in expressions.items())
    question = "{{ {" + asked + "} | to_json }}"
    with private_directory() as private, secrets_at_hand(environment, private) as at_hand:
        vault = (
            vault_arguments(environment.vault, environment.directory, private)
            if environment.vault
            else []
        )
        done = subprocess.run(
            [
                Path(sys.executable).with_name("ansible"),
                "all",
                "-i",
                environment.directory,
                *vault,
                "--limit",
                ",".join(hosts),
                "-m",
                "ansible.builtin.debug",
                "-a",
                f'msg="{question}"',
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={
                # What somebody has Ansible write down must not have the answer: it may be a secret.
                **{name: text for name, text in os.environ.items() if name not in _TALKING},
                "ANSIBLE_CONFIG": str(project_root() / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORCE_COLOR": "0",
                "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
                **at_hand,
            },
        )
    answers = {host: json.loads(text)["msg"] for host, text in _ANSWER.findall(done.stdout)}
    unanswered = [host for host in hosts if host not in answers]
    if unanswered:
        raise PasInfraError(
            f"Ansible cannot say how {', '.join(unanswered)} is reached: "
            + (done.stderr or done.stdout).strip()[-800:],
            where=environment.directory,
            next_step=f"pas-infra env check {environment.name}",
        )
    return {
        host: json.loads(answer) if isinstance(answer, str) else answer
        for host, answer in answers.items()
    }


def _connection(host: str, found: Mapping[str, str]) -> Connection:
    identity = f"-i {shlex.quote(found['identity'])}" if found["identity"] else ""
    return Connection(
        host=host,
        address=found["address"],
        port=int(found["port"]),
        user=found["user"],
        ssh_arguments=f"{found['arguments']} {identity}".strip(),
    )
