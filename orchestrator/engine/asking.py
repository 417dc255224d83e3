"""One question to many hosts: asked over SSH side by side, in one round trip each."""

import subprocess
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Generic, TypeVar

from orchestrator.engine.connections import Connection, login_within

T = TypeVar("T")
_SSH_FAILED = 255
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Question(Generic[T]):
    """A command for a host's shell, and how its answer is read.

    `subject` is what is asked for, as `its accounts`; `read` raises ValueError for what is no
    answer; `script` is what the command reads; `patience` is in seconds; `at_most` are the bytes
    that an answer may have.
    """

    subject: str
    command: str
    read: Callable[[str], T]
    script: str = ""
    patience: float = 60.0
    at_most: int = 64 << 20


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
        done = _run([*connection.ssh_batch, question.command], question)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {question.patience:.0f} s"
    if done is None:
        return None, f"{question.subject} could not be read: it says over {question.at_most} bytes"
    said = printable((done.stderr.strip().splitlines() or ["it says nothing"])[-1])
    if done.returncode == _SSH_FAILED:
        return None, f"no answer over SSH: {said}"
    if done.returncode != 0:
        return None, f"{question.subject} could not be read: {said}"
    try:
        return question.read(done.stdout), ""
    except RecursionError:
        return None, f"{question.subject} could not be read: it is nested without end"
    except ValueError as error:
        return None, f"{question.subject} could not be read: {error}"


def _run(command: list[str], question: Question[T]) -> subprocess.CompletedProcess[str] | None:
    """What the command said, or None when it was ended because it said too much.

    Raises subprocess.TimeoutExpired.
    """
    patience = question.patience + login_within()
    piped = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=piped, stdout=piped, stderr=piped) as process,
        ThreadPoolExecutor(max_workers=2) as pool,
    ):
        late = threading.Event()

        def end_it() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(patience, end_it)
        timer.start()
        try:
            pool.submit(_tell, process.stdin, question.script)
            complaint = pool.submit(_hear, process.stderr, question.at_most, process.kill)
            answer = _hear(process.stdout, question.at_most, process.kill)
            code = process.wait()
        except BaseException:  # an interrupt must not leave it running
            process.kill()
            raise
        finally:
            timer.cancel()
    if late.is_set():
        raise subprocess.TimeoutExpired(command, patience)
    stderr = complaint.result()
    if answer is None or stderr is None:
        return None
    return subprocess.CompletedProcess(command, code, answer, stderr)


def _tell(pipe: IO[bytes] | None, text: str) -> None:
    if pipe is None:
        return
    try:
        with pipe:
            pipe.write(text.encode())
    except OSError:  # it has ended without reading: its code says so
        return


def _hear(pipe: IO[bytes] | None, at_most: int, stop: Callable[[], None]) -> str | None:
    """What comes through a pipe; None, and `stop` is called, once it is more than `at_most`."""
    said = bytearray()
    while pipe is not None and (chunk := pipe.read(_CHUNK)):
        said += chunk
        if len(said) > at_most:
            stop()
            return None
    return said.decode("utf-8", "replace")
