"""One call at a time changes keys on a host. Runs there, as root."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from orchestrator.keys.host.luks import Refused

_LOCK = Path("/run/pas-infra/keys/lock")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Raises Refused while another call works here: whoever asked for it may be gone."""
    # A place of root's alone: whoever can open the file can hold the lock.
    _LOCK.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused("another call changes keys here: wait until it has ended") from None
        yield
