"""The exit codes of every command: the one table that scripts and timers may rely on."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit says. Ansible's own codes never leave the engine."""

    OK = 0
    ERROR = 1
    FINDINGS = 2
    LOCKED = 3
    INCOMPLETE = 4
    CONFIGURATION = 5
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line for the documentation and `pas-infra --help`."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.OK: "fine: nothing to do, or done and verified",
    ExitCode.ERROR: "error: a task failed, a tool is missing, the command was used wrongly",
    ExitCode.FINDINGS: "changes or findings: plan would change something, a check does not hold",
    ExitCode.LOCKED: "locked: another run holds this environment",
    ExitCode.INCOMPLETE: "incomplete: a host was unreachable or a result is missing",
    ExitCode.CONFIGURATION: "configuration invalid: nothing was run",
    ExitCode.INTERRUPTED: "interrupted by the operator",
}
