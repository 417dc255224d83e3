"""The sessions that the target offers: this host has no other way to it."""

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

PLACE = Path("/run/pas-infra-backup")
PIPE = "/usr/local/lib/pas-infra/backup-pipe"
_FIRST_OF_SYSTEMD = 3  # sd_listen_fds(3)


class NotOffered(Exception):
    """The target has not come within the time."""


class Offers:
    """A socket to which the target comes for every command of borg, until it is told the end."""

    def __init__(self, listening: socket.socket, patience: float) -> None:
        self._listening = listening
        self._listening.settimeout(patience)

    @contextlib.contextmanager
    def remote_shell(self) -> Iterator[str]:
        """The next session, as the remote shell that borg is to use: `BORG_RSH`."""
        with self._next() as session, tempfile.TemporaryDirectory(dir=PLACE) as private:
            session.sendall(b"serve\n")
            path = f"{private}/session"
            with socket.socket(socket.AF_UNIX) as door:
                door.bind(path)
                door.listen(1)
                handing = threading.Thread(target=_hand_over, args=(door, session), daemon=True)
                handing.start()
                yield f"{PIPE} --take={path}"
                # Where borg never asked for it.
                with contextlib.suppress(OSError):
                    door.shutdown(socket.SHUT_RDWR)
                handing.join(5)

    def end(self, code: int) -> None:
        """Tell the target that this was all, and how it ended."""
        with contextlib.suppress(NotOffered, OSError), self._next() as session:
            session.sendall(f"done {code}\n".encode())

    def _next(self) -> socket.socket:
        try:
            session, _ = self._listening.accept()
        except TimeoutError as error:
            raise NotOffered("the backup target does not come") from error
        session.settimeout(None)
        return session


def _hand_over(door: socket.socket, session: socket.socket) -> None:
    with contextlib.suppress(OSError):
        taker, _ = door.accept()
        with taker:
            socket.send_fds(taker, [b"."], [session.fileno()])


@contextlib.contextmanager
def from_systemd(patience: float) -> Iterator[Offers]:
    """The offers that pas-infra-backup.socket listens for."""
    if os.environ.get("LISTEN_FDS") != "1":
        raise NotOffered("started without pas-infra-backup.socket")
    with socket.socket(fileno=_FIRST_OF_SYSTEMD) as listening:
        yield Offers(listening, patience)


@contextlib.contextmanager
def on_the_spot(group: int, patience: float) -> Iterator[Offers]:
    """Offers for somebody who waits, on a socket of their own; one at a time.

    Raises NotOffered when somebody else waits already.
    """
    path = PLACE / "job.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(str(path))
            raise NotOffered("somebody else works with the backups of this host")
        path.unlink(missing_ok=True)
        old = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(old)
        os.chown(path, 0, group)
        path.chmod(0o660)
        listening.listen(4)
        try:
            yield Offers(listening, patience)
        finally:
            path.unlink(missing_ok=True)
