"""The canary: an object of ours on every host that each look finds tampered with, or it is blind.

It lies in memory, where no role, no integrity check and no backup looks, and is gone at a restart.
What a killed run leaves is tampered with anew by the next one, which restores it at its end.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence

from orchestrator.drift.finding import Eye, Finding
from orchestrator.engine import Connection, Question, ask
from orchestrator.records import CheckResult, TaskResult

DIRECTORY = "/run/pas-infra-drift"
PATH = f"{DIRECTORY}/canary"
DECLARED = "This file shows that pas-infra's drift sees what it looks at.\n"
PLAYBOOK = "playbooks/drift.yml"  # the site, and after it the task that has the canary declared
CHECK = "tests/hosts/drift_canary.py"
VARIABLES = {"drift_canary_path": PATH, "drift_canary_content": DECLARED}

# How each eye calls it.
_OBJECTS = {
    Eye.ROLES: f"file {PATH}",
    Eye.CHECKS: "check drift_canary.py::test_canary_is_as_declared",
}
# In place, so that no directory changes but when there is none yet.
_WRITE = "umask 077 && mkdir -p {directory} && printf %s {content} > {path}"


def tamper(connections: Iterable[Connection], token: str) -> dict[str, str]:
    """Have every host's canary say something that no other run says; why it could not, by host."""
    return _write(connections, f"tampered with by the run {token}\n")


def restore(connections: Iterable[Connection]) -> dict[str, str]:
    """Have every host's canary be as declared; why it could not, by host."""
    return _write(connections, DECLARED)


def is_canary(seen: Finding | TaskResult | CheckResult) -> bool:
    """Whether it is about the canary, and so tells nothing of the host."""
    if isinstance(seen, Finding):
        return seen.object in _OBJECTS.values()
    if isinstance(seen, TaskResult):
        return f"/{PLAYBOOK}:" in seen.path
    return f"check {seen.check}" in _OBJECTS.values()


def unseen(findings: Sequence[Finding], hosts: Sequence[str], token: str) -> Mapping[str, str]:
    """By host, which eyes did not report its canary as this very run left it; nothing if all did.

    `findings` are everything that the eyes reported, the canary's among it.
    """
    blind: dict[str, str] = {}
    for host in hosts:
        missed = [
            eye
            for eye, called in _OBJECTS.items()
            if not any(
                one.host == host and one.eye is eye and one.object == called and token in one.seen
                for one in findings
            )
        ]
        if missed:
            blind[host] = (
                f"the canary was not seen by the {' and the '.join(missed)}: what they say of this "
                "host cannot be believed"
            )
    return blind


def _write(connections: Iterable[Connection], content: str) -> dict[str, str]:
    words = {"directory": DIRECTORY, "path": PATH, "content": content}
    script = _WRITE.format(**{name: shlex.quote(word) for name, word in words.items()})
    _, missing = ask(connections, Question("its canary", "sudo -n sh -e", str, script=script))
    return missing
