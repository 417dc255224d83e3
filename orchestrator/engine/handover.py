"""Secret variables on their way to Ansible: through a socket, so that no file ever holds them."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from orchestrator.environment import Environment

_VARS_PLUGINS = Path(__file__).parent / "vars_plugins"


@contextmanager
def secrets_at_hand(environment: Environment, private: Path) -> Iterator[dict[str, str]]:
    """Give whoever can enter the directory `private` the variables of the secret store.

    Yields the environment variables by which Ansible finds them; none where there is no store.
    """
    if not environment.secrets.of:
        yield {}
        return
    handed = {"directory": str(environment.directory.resolve()), "secrets": environment.secrets.of}
    content = json.dumps(handed).encode()
    path = private / "secrets"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        Thread(target=_answer, args=(listener, content), name="secrets", daemon=True).start()
        try:
            yield {"PAS_INFRA_SECRETS": str(path), "ANSIBLE_VARS_PLUGINS": str(_VARS_PLUGINS)}
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which then ends


def _answer(listener: socket.socket, content: bytes) -> None:
    with suppress(OSError):
        while True:
            asking, _ = listener.accept()
            # Who asked may have been stopped meanwhile.
            with asking, suppress(OSError):
                asking.sendall(content)
