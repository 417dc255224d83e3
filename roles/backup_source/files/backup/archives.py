"""borg, on this side of a session that the target offers: here are the keys, there is the place."""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offers import PLACE, Offers

KEYS = Path("/etc/pas-infra/backup/keys")
STATE = Path("/var/lib/pas-infra/backup")
_WARNINGS = {1, *range(100, 128)}  # of borg, with BORG_EXIT_CODES=modern
_PASSPHRASE_BYTES = 32


class Refused(Exception):
    """Why something was not done."""


@dataclass(frozen=True)
class Repository:
    """A repository at the target, and the files here that open it."""

    name: str
    url: str
    key: Path
    passphrase: Path
    base: Path
    moved: bool = False

    @property
    def has_key(self) -> bool:
        """Whether it was begun by this host."""
        return self.key.exists() and self.passphrase.exists()

    def environment(self, remote_shell: str) -> dict[str, str]:
        """What borg is given; the passphrase is in a file that root alone reads."""
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "BORG_REPO": self.url,
            "BORG_RSH": remote_shell,
            "BORG_BASE_DIR": str(self.base),
            "BORG_KEY_FILE": str(self.key),
            "BORG_PASSCOMMAND": f"cat {self.passphrase}",
            "BORG_EXIT_CODES": "modern",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes" if self.moved else "no",
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "no",
        }


def repository(place: str, name: str) -> Repository:
    """The repository of a data set of this host; `place` is the target's directory for it."""
    return Repository(
        name,
        f"ssh://target{place}/{name}",
        KEYS / f"{name}.key",
        KEYS / f"{name}.passphrase",
        STATE / "borg" / name,
    )


@contextlib.contextmanager
def with_given_key(one: Repository, key: str, passphrase: str) -> Iterator[Repository]:
    """The same repository under a key from elsewhere, which is nowhere but in memory meanwhile."""
    with tempfile.TemporaryDirectory(dir=PLACE) as private:
        given = Path(private)
        (given / "key").touch(mode=0o600)
        (given / "key").write_text(key)
        (given / "passphrase").touch(mode=0o600)
        (given / "passphrase").write_text(passphrase)
        yield Repository(one.name, one.url, given / "key", given / "passphrase", given / "borg")


@contextlib.contextmanager
def recalled(one: Repository, place: str) -> Iterator[Repository]:
    """A copy that the target has kept of the repository, and offers beside it.

    borg must know nothing of it beforehand: it is older than what it has seen, on purpose.
    """
    with tempfile.TemporaryDirectory(dir=PLACE) as private:
        url = f"ssh://target{place}/.recalled/{one.name}"
        yield Repository(one.name, url, one.key, one.passphrase, Path(private), moved=True)


def take(one: Repository, key: str, passphrase: str) -> None:
    """Keep a key from the escrow as this host's own, unless there is one."""
    if one.has_key:
        return
    for file, content in ((one.passphrase, passphrase), (one.key, key)):
        beside = file.with_name(f".{file.name}.new")
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600)
        beside.write_text(content)
        beside.rename(file)


def begin(offers: Offers, one: Repository) -> None:
    """Make the repository with a key of its own, unless it is there."""
    if one.has_key:
        return
    if not one.passphrase.exists():
        beside = one.passphrase.with_name(f".{one.passphrase.name}.new")
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600)
        beside.write_text(os.urandom(_PASSPHRASE_BYTES).hex())
        beside.rename(one.passphrase)
    # HMAC-SHA256 and AES-256: BLAKE2 is in no selection of ANSSI's (PG-083).
    borg(offers, one, ["init", "--encryption", "keyfile"])


def borg(
    offers: Offers,
    one: Repository,
    arguments: Sequence[str],
    *,
    stdin: bytes = b"",
    cwd: str | Path = "/",
    progress: Callable[[int], None] | None = None,
) -> tuple[str, list[str]]:
    """What borg prints, and what it warns of; raises Refused when it fails.

    `progress` is told how many files an archive has so far.
    """
    command = ["borg", "--log-json", "--lock-wait", "300", *arguments]
    with (
        offers.remote_shell() as shell,
        subprocess.Popen(
            command,
            cwd=cwd,
            env=one.environment(shell),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
        tempfile.TemporaryFile() as printed,
    ):
        assert process.stdin and process.stdout and process.stderr  # noqa: PT018, S101 - for mypy
        copying = _copying(process.stdout.fileno(), printed)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)
            process.stdin.close()
        said = list(_told(process.stderr, progress))
        code = process.wait()
        copying()
        printed.seek(0)
        output = printed.read().decode("utf-8", "surrogateescape")
    if code and code not in _WARNINGS:
        reason = "; ".join(said[-3:]) or f"borg ends with {code}"
        raise Refused(f"{one.name}: {reason}")
    return output, said


def _copying(descriptor: int, into: Any) -> Callable[[], None]:
    """Empty a pipe beside what else is read; what is returned waits for its end."""
    import threading

    def copy() -> None:
        while data := os.read(descriptor, 1 << 16):
            into.write(data)

    thread = threading.Thread(target=copy)
    thread.start()
    return thread.join


def _told(stream: Any, progress: Callable[[int], None] | None) -> Iterator[str]:
    """What borg says in words, among what it says of its progress."""
    for line in stream:
        try:
            event = json.loads(line)
        except ValueError:
            if text := line.decode("utf-8", "replace").strip():
                yield text
            continue
        if event.get("type") == "archive_progress" and progress:
            progress(int(event.get("nfiles", 0)))
        elif event.get("type") == "log_message" and event.get("levelname") != "INFO":
            yield str(event.get("message", ""))
