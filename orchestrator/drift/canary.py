"""The canary: an object of ours on every host that each look finds tampered with, or it is blind.

It lies in memory, where no role, no integrity check and no backup looks, and is gone at a restart.
What a killed run leaves is tampered with anew by the next one, which restores it at its end.
"""

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from orchestrator.drift.finding import Eye, Finding
from orchestrator.engine import Connection, Question, ask
from orchestrator.records import CheckResult, TaskResult

DIRECTORY = "/run/pas-infra-drift"
PATH = f"{DIRECTORY}/canary"
DECLARED = "This file shows that pas-infra's drift sees what it looks at.\n"
PLAYBOOK = "playbooks/drift.yml"  # the site, and after it the task that has the canary declared
CHECK = "tests/hosts/drift_canary.py"
VARIABLES = {"drift_canary_path": PATH, "drift_canary_content": DECLARED}

# A file that nobody accepted, among those that say what happens until the next start: a comment.
UNACCEPTED = "/run/tmpfiles.d/pas-infra-drift.conf"

# How each eye calls it.
_OBJECTS = {
    Eye.ROLES: f"file {PATH}",
    Eye.CHECKS: "check drift_canary.py::test_canary_is_as_declared",
    Eye.COLLECTOR: f"file {UNACCEPTED}",
}
# In place, so that no directory changes but when there is none yet.
_WRITE = "umask 077 && mkdir -p {directory} && printf %s {content} > {path}"
_TAMPER = f"{_WRITE} && mkdir -p -m 755 {{others}} && printf %s {{comment}} > {UNACCEPTED}"
_RESTORE = f"{_WRITE} && rm -f {UNACCEPTED}"


def tamper(connections: Iterable[Connection], token: str) -> dict[str, str]:
    """Have every host's canary say something that no other run says; why it could not, by host."""
    return _write(connections, _TAMPER, f"tampered with by the run {token}\n", token)


def restore(connections: Iterable[Connection]) -> dict[str, str]:
    """Have every host's canary be as declared; why it could not, by host."""
    return _write(connections, _RESTORE, DECLARED)


def is_canary(seen: Finding | TaskResult | CheckResult) -> bool:
    """Whether it is about the canary, and so tells nothing of the host."""
    if isinstance(seen, Finding):
        return seen.object in _OBJECTS.values()
    if isinstance(seen, TaskResult):
        return f"/{PLAYBOOK}:" in seen.path
    return f"check {seen.check}" in _OBJECTS.values()


def unseen(
    findings: Sequence[Finding], hosts: Sequence[str], token: str, eyes: Sequence[Eye]
) -> Mapping[str, str]:
    """By host, which eyes did not report its canary as this very run left it; nothing if all did.

    `findings` are everything that the eyes reported, the canary's among it.
    """
    # The third eye tells a file by the sum of what it holds.
    said = {Eye.COLLECTOR: hashlib.sha256(_comment(token).encode()).hexdigest()}
    blind: dict[str, str] = {}
    for host in hosts:
        missed = [
            eye
            for eye in eyes
            if not any(
                (one.host, one.eye, one.object) == (host, eye, _OBJECTS[eye])
                and said.get(eye, token) in one.seen
                for one in findings
            )
        ]
        if missed:
            blind[host] = (
                f"the canary was not seen by the {' and the '.join(missed)}: what they say of this "
                "host cannot be believed"
            )
    return blind


def _comment(token: str) -> str:
    return f"# {token}\n"


def _write(
    connections: Iterable[Connection], script: str, content: str, token: str = ""
) -> dict[str, str]:
    words = {
        "directory": DIRECTORY,
        "path": PATH,
        "content": content,
        "others": str(PurePosixPath(UNACCEPTED).parent),
        "comment": _comment(token),
    }
    filled = script.format(**{name: shlex.quote(word) for name, word in words.items()})
    _, missing = ask(connections, Question("its canary", "sudo -n sh -e", str, script=filled))
    return missing
