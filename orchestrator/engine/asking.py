"""One question to many hosts: asked over SSH side by side, in one round trip each."""

import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from orchestrator.engine.connections import Connection, login_within

T = TypeVar("T")
_SSH_FAILED = 255


@dataclass(frozen=True)
class Question(Generic[T]):
    """A command for a host's shell, and how its answer is read.

    `subject` is what is asked for, as `its accounts`; `read` raises ValueError for what is no
    answer; `script` is what the command reads; `patience` is in seconds.
    """

    subject: str
    command: str
    read: Callable[[str], T]
    script: str = ""
    patience: float = 60.0


def ask(
    connections: Iterable[Connection], question: Question[T]
) -> tuple[dict[str, T], dict[str, str]]:
    """What each host answers; and of the hosts of which nothing can be said, why."""
    asked = list(connections)
    with ThreadPoolExecutor(max_workers=max(len(asked), 1)) as pool:
        answers = pool.map(lambda connection: _ask(connection, question), asked)
    given: dict[str, T] = {}
    missing: dict[str, str] = {}
    for connection, (answer, why) in zip(asked, answers, strict=True):
        if answer is None:
            missing[connection.host] = why
        else:
            given[connection.host] = answer
    return given, missing


def printable(text: str) -> str:
    """The same without what would speak to the terminal of whoever reads it."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _ask(connection: Connection, question: Question[T]) -> tuple[T | None, str]:
    """A host's answer, or None and why there is none."""
    try:
        done = subprocess.run(
            [*connection.ssh_batch, question.command],
            input=question.script,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=question.patience + login_within(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {question.patience:.0f} s"
    said = printable((done.stderr.strip().splitlines() or ["it says nothing"])[-1])
    if done.returncode == _SSH_FAILED:
        return None, f"no answer over SSH: {said}"
    if done.returncode != 0:
        return None, f"{question.subject} could not be read: {said}"
    try:
        return question.read(done.stdout), ""
    except ValueError as error:
        return None, f"{question.subject} could not be read: {error}"
